//! What each message type does.

use std::collections::BTreeSet;

use crate::{
    connection::{Connection, Transaction, Watch},
    path,
    tree::{Change, Tree},
    wire::{Message, PAYLOAD_MAX, Refusal, kind},
};

/// What a message leads to, in the order in which it goes out: events of the changes, the reply, a first event.
pub(crate) struct Answer {
    pub(crate) payload: Result<Vec<u8>, Refusal>,
    pub(crate) changes: Vec<Change>,
    /// The event that a new watch begins with.
    pub(crate) first_event: Option<Vec<u8>>,
}

impl Answer {
    fn of(payload: Vec<u8>) -> Self {
        let payload = if payload.len() <= PAYLOAD_MAX { Ok(payload) } else { Err(Refusal::TooLong) };
        Self { payload, changes: vec![], first_event: None }
    }

    fn done() -> Self {
        Self::of(b"OK\0".to_vec())
    }

    fn after(changes: impl IntoIterator<Item = Change>) -> Self {
        Self { changes: changes.into_iter().collect(), ..Self::done() }
    }

    /// The answer that only says why not.
    pub(crate) fn refusal(refusal: Refusal) -> Self {
        Self { payload: Err(refusal), changes: vec![], first_event: None }
    }
}

/// A fresh watch on `@releaseDomain` or `@introduceDomain` is told of this.
pub(crate) fn special(name: String) -> Change {
    Change { path: name, exact: true }
}

/// Executes a message of a client.
pub(crate) fn handle(
    tree: &mut Tree,
    domains: &mut BTreeSet<u32>,
    connection: &mut Connection,
    message: &Message,
) -> Result<Answer, Refusal> {
    match message.header.kind {
        kind::CONTROL => control(message),
        kind::WATCH => watch(connection, message),
        kind::UNWATCH => unwatch(connection, message),
        kind::RESET_WATCHES => {
            connection.watches.clear();
            connection.transactions.clear();
            Ok(Answer::done())
        }
        kind::TRANSACTION_START => transaction_start(tree, connection, message),
        kind::TRANSACTION_END => transaction_end(tree, connection, message),
        kind::INTRODUCE => {
            let [domain, _frame, port, ..] = message.strings()[..] else { return Err(Refusal::Invalid) };
            if domid(port) == 0 {
                return Err(Refusal::Invalid);
            }
            Ok(Answer::after(introduce(domains, domid(domain))))
        }
        kind::RELEASE => {
            let domid = introduced(domains, message.one_string()?)?;
            Ok(Answer::after(release(tree, domains, domid)?))
        }
        kind::IS_DOMAIN_INTRODUCED => {
            let introduced = domains.contains(&domid(message.one_string()?));
            Ok(Answer::of(if introduced { b"T\0" } else { b"F\0" }.to_vec()))
        }
        kind::GET_DOMAIN_PATH => {
            let domid = domid(message.one_string()?);
            Ok(Answer::of(format!("/local/domain/{domid}\0").into_bytes()))
        }
        kind::RESUME => introduced(domains, message.one_string()?).map(|_| Answer::done()),
        kind::SET_TARGET => {
            let [domain, target, ..] = message.strings()[..] else { return Err(Refusal::Invalid) };
            introduced(domains, domain)?;
            introduced(domains, target)?;
            Ok(Answer::done())
        }
        _ => on_nodes(tree, connection, message),
    }
}

/// The types that read or change nodes, in a transaction or at once.
fn on_nodes(tree: &mut Tree, connection: &mut Connection, message: &Message) -> Result<Answer, Refusal> {
    let id = message.header.transaction;
    if id == 0 {
        return on_tree(tree, message);
    }
    let transaction = connection.transactions.get_mut(&id).ok_or(Refusal::NotFound)?;
    let mut answer = on_tree(&mut transaction.tree, message)?;
    transaction.changes.append(&mut answer.changes);
    Ok(answer)
}

fn on_tree(tree: &mut Tree, message: &Message) -> Result<Answer, Refusal> {
    let node_path = || path::absolute(message.one_string()?);
    match message.header.kind {
        kind::READ => Ok(Answer::of(tree.get(&node_path()?)?.value.clone())),
        kind::DIRECTORY => Ok(Answer::of(tree.get(&node_path()?)?.listing())),
        kind::DIRECTORY_PART => directory_part(tree, message),
        kind::GET_PERMS => {
            let permissions = &tree.get(&node_path()?)?.permissions;
            Ok(Answer::of(permissions.iter().flat_map(|one| one.bytes().chain([0])).collect()))
        }
        kind::WRITE => {
            let (node, value) = message.string_and_rest()?;
            Ok(Answer::after([tree.write(&path::absolute(node)?, value)]))
        }
        kind::MKDIR => Ok(Answer::after(tree.make(&node_path()?))),
        kind::RM => Ok(Answer::after(tree.remove(&node_path()?)?)),
        kind::SET_PERMS => set_permissions(tree, message),
        _ => Err(Refusal::Unknown),
    }
}

/// A piece of a long list of children: whole names, and an empty one after the last.
fn directory_part(tree: &mut Tree, message: &Message) -> Result<Answer, Refusal> {
    let [node, offset] = message.strings()[..] else { return Err(Refusal::Invalid) };
    let node = tree.get(&path::absolute(node)?)?;
    let offset = str::from_utf8(offset).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut payload = format!("{}\0", node.generation).into_bytes();
    let listing = node.listing();
    let rest = listing.get(offset..).unwrap_or_default();
    let room = PAYLOAD_MAX - payload.len() - 1;
    let fits = match rest.len() <= room {
        true => rest.len(),
        false => rest[..room].iter().rposition(|&byte| byte == 0).map_or(0, |nul| nul + 1),
    };
    payload.extend_from_slice(&rest[..fits]);
    if fits == rest.len() {
        payload.push(0);
    }
    Ok(Answer::of(payload))
}

fn set_permissions(tree: &mut Tree, message: &Message) -> Result<Answer, Refusal> {
    let strings = message.strings();
    let [node, permissions @ ..] = &strings[..] else { return Err(Refusal::Invalid) };
    let permissions = permissions.iter().map(|text| permission(text)).collect::<Result<Vec<_>, _>>()?;
    if permissions.is_empty() {
        return Err(Refusal::Invalid);
    }
    if node.starts_with(b"@") {
        path::special(node)?;
        return Ok(Answer::done());
    }
    Ok(Answer::after([tree.set_permissions(&path::absolute(node)?, permissions)?]))
}

/// `n0`, `r5`, `w3`, `b1`.
fn permission(text: &[u8]) -> Result<String, Refusal> {
    let text = str::from_utf8(text).map_err(|_| Refusal::Invalid)?;
    let legal = text.starts_with(['r', 'w', 'b', 'n']) && text[1..].parse::<u32>().is_ok();
    if legal { Ok(text.to_owned()) } else { Err(Refusal::Invalid) }
}

fn watch(connection: &mut Connection, message: &Message) -> Result<Answer, Refusal> {
    let [watched, token] = message.strings()[..] else { return Err(Refusal::Invalid) };
    let (path, relative) = path::watched(watched)?;
    if connection.watches.iter().any(|watch| watch.path == path && watch.token == token) {
        return Err(Refusal::Exists);
    }
    let watch = Watch { path, token: token.to_owned(), relative };
    let first_event = Some(watch.event(&watch.path));
    connection.watches.push(watch);
    Ok(Answer { first_event, ..Answer::done() })
}

fn unwatch(connection: &mut Connection, message: &Message) -> Result<Answer, Refusal> {
    let [watched, token] = message.strings()[..] else { return Err(Refusal::Invalid) };
    let (path, _) = path::watched(watched)?;
    let index = connection.watches.iter().position(|watch| watch.path == path && watch.token == token);
    connection.watches.remove(index.ok_or(Refusal::NotFound)?);
    Ok(Answer::done())
}

fn transaction_start(tree: &Tree, connection: &mut Connection, message: &Message) -> Result<Answer, Refusal> {
    match message.header.transaction {
        0 => {}
        id if connection.transactions.contains_key(&id) => return Err(Refusal::Nested),
        _ => return Err(Refusal::NotFound),
    }
    let mut id = connection.last_transaction;
    while id == 0 || connection.transactions.contains_key(&id) {
        id = id.wrapping_add(1);
    }
    connection.last_transaction = id.wrapping_add(1);
    connection.transactions.insert(id, Transaction { tree: tree.transaction(), changes: vec![] });
    Ok(Answer::of(format!("{id}\0").into_bytes()))
}

fn transaction_end(tree: &mut Tree, connection: &mut Connection, message: &Message) -> Result<Answer, Refusal> {
    let commit = match message.one_string()? {
        b"T" => true,
        b"F" => false,
        _ => return Err(Refusal::Invalid),
    };
    let id = message.header.transaction;
    let transaction = connection.transactions.remove(&id).ok_or(Refusal::NotFound)?;
    if !commit {
        return Ok(Answer::done());
    }
    tree.commit(transaction.tree)?;
    Ok(Answer::after(transaction.changes))
}

/// The change, if the domain was not introduced before.
pub(crate) fn introduce(domains: &mut BTreeSet<u32>, domid: u32) -> Option<Change> {
    domains.insert(domid).then(|| special("@introduceDomain".into()))
}

/// Forgets the domain, and removes what belongs to it.
pub(crate) fn release(tree: &mut Tree, domains: &mut BTreeSet<u32>, domid: u32) -> Result<Vec<Change>, Refusal> {
    if !domains.remove(&domid) {
        return Err(Refusal::NotFound);
    }
    let mut changes = vec![];
    for owned in tree.owned_by(domid) {
        changes.append(&mut tree.remove(&owned)?);
    }
    changes.push(special("@releaseDomain".into()));
    Ok(changes)
}

fn control(message: &Message) -> Result<Answer, Refusal> {
    match message.strings()[..] {
        [b"help"] => Ok(Answer::of(b"check\nfire|<special>\nhelp\n\0".to_vec())),
        [b"check"] => Ok(Answer::done()),
        [b"fire", name] => Ok(Answer::after([special(path::special(name)?)])),
        _ => Err(Refusal::Invalid),
    }
}

/// A domain other than 0 that was introduced and not released.
fn introduced(domains: &BTreeSet<u32>, text: &[u8]) -> Result<u32, Refusal> {
    match domid(text) {
        0 => Err(Refusal::Invalid),
        domid if domains.contains(&domid) => Ok(domid),
        _ => Err(Refusal::NotFound),
    }
}

/// A number as atoi reads it: what is none counts as 0.
fn domid(text: &[u8]) -> u32 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&text[..digits]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
