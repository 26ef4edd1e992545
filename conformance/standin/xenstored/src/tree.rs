//! The tree of nodes, and transactions on it.
//!
//! Invariant: the root exists, and a node exists if and only if its parent lists it as a child.
//!
//! A transaction is a copy of the tree (of its index alone: nodes are shared until changed) that notes, at the first
//! touch of a node, which generation it had. It commits if all the nodes that it touched still have that generation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    path::{join, leaf, parent},
    wire::Refusal,
};

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Vec<u8>,
    /// As on the wire: `n0`, `r5` ...; the first names the owner.
    pub(crate) permissions: Vec<String>,
    pub(crate) children: BTreeSet<String>,
    /// Unique to this state of this node.
    pub(crate) generation: u64,
}

impl Node {
    /// The children as DIRECTORY gives them.
    pub(crate) fn listing(&self) -> Vec<u8> {
        self.children.iter().flat_map(|child| child.bytes().chain([0])).collect()
    }
}

/// A change that watches may wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: String,
    /// Whether it concerns the watches of this very path alone, and not those of its parents: removed with a parent.
    pub(crate) exact: bool,
}

impl Change {
    fn of(path: &str) -> Self {
        Self { path: path.to_owned(), exact: false }
    }
}

/// The nodes by absolute path. The methods take legal absolute paths.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: BTreeMap<Arc<str>, Arc<Node>>,
    generation: u64,
    /// In a transaction: what was touched.
    touched: Option<BTreeMap<String, Touch>>,
}

#[derive(Clone, Debug)]
struct Touch {
    /// The generation before the transaction; `None`: there was no such node.
    before: Option<u64>,
    changed: bool,
}

impl Tree {
    /// The root alone, owned by domain 0.
    pub(crate) fn new() -> Self {
        let root = Node { value: vec![], permissions: vec!["n0".into()], children: BTreeSet::new(), generation: 0 };
        Self { nodes: BTreeMap::from([("/".into(), Arc::new(root))]), generation: 0, touched: None }
    }

    /// A transaction's copy.
    pub(crate) fn transaction(&self) -> Self {
        Self { touched: Some(BTreeMap::new()), ..self.clone() }
    }

    /// Takes over what a transaction did, all or nothing.
    pub(crate) fn commit(&mut self, transaction: Tree) -> Result<(), Refusal> {
        let touched = transaction.touched.expect("only transactions are committed");
        let generation = |path: &str| self.nodes.get(path).map(|node| node.generation);
        if touched.iter().any(|(path, touch)| generation(path) != touch.before) {
            return Err(Refusal::Conflict);
        }
        for (path, _) in touched.iter().filter(|(_, touch)| touch.changed) {
            match transaction.nodes.get(path.as_str()) {
                Some(node) => self.put(path, Node::clone(node)),
                None => self.delete(path),
            }
        }
        Ok(())
    }

    /// The node.
    pub(crate) fn get(&mut self, path: &str) -> Result<Arc<Node>, Refusal> {
        self.touch(path, false);
        self.nodes.get(path).cloned().ok_or(Refusal::NotFound)
    }

    /// Sets the node's value; creates it and its parents where they are missing.
    pub(crate) fn write(&mut self, path: &str, value: &[u8]) -> Change {
        let mut node = self.get_or_create(path);
        value.clone_into(&mut node.value);
        self.put(path, node);
        Change::of(path)
    }

    /// Creates the node and its parents where they are missing.
    pub(crate) fn make(&mut self, path: &str) -> Option<Change> {
        if self.get(path).is_ok() {
            return None;
        }
        let node = self.get_or_create(path);
        self.put(path, node);
        Some(Change::of(path))
    }

    /// Removes the node and all under it. What is missing is removed already, where its parent exists.
    pub(crate) fn remove(&mut self, path: &str) -> Result<Vec<Change>, Refusal> {
        let above = parent(path).ok_or(Refusal::Invalid)?;
        let Ok(mut parent_node) = self.get(above) else { return Err(Refusal::NotFound) };
        if self.get(path).is_err() {
            return Ok(vec![]);
        }
        Arc::make_mut(&mut parent_node).children.remove(leaf(path));
        self.put(above, Arc::unwrap_or_clone(parent_node));
        let mut changes = vec![];
        self.remove_all(path, &mut changes);
        changes.last_mut().expect("the node itself was removed last").exact = false;
        Ok(changes)
    }

    /// Sets the node's permissions.
    pub(crate) fn set_permissions(&mut self, path: &str, permissions: Vec<String>) -> Result<Change, Refusal> {
        let node = self.get(path)?;
        self.put(path, Node { permissions, ..Arc::unwrap_or_clone(node) });
        Ok(Change::of(path))
    }

    /// The topmost nodes that a domain owns.
    pub(crate) fn owned_by(&self, domid: u32) -> Vec<String> {
        let mut owned: Vec<String> = vec![];
        // In the map's order a node comes after its parents, though not always right after them.
        for (path, node) in &self.nodes {
            let owner = node.permissions.first().and_then(|first| first.get(1..)?.parse().ok());
            if owner == Some(domid) && !owned.iter().any(|above| crate::path::is_within(path, above)) {
                owned.push(path.to_string());
            }
        }
        owned
    }

    /// A copy of the node. A created one inherits its parent's permissions and is known to its parent already.
    fn get_or_create(&mut self, path: &str) -> Node {
        if let Ok(node) = self.get(path) {
            return Arc::unwrap_or_clone(node);
        }
        let above = parent(path).expect("the root exists");
        let mut parent_node = self.get_or_create(above);
        let permissions = parent_node.permissions.clone();
        parent_node.children.insert(leaf(path).to_owned());
        self.put(above, parent_node);
        Node { value: vec![], permissions, children: BTreeSet::new(), generation: 0 }
    }

    /// Children first, as the real daemon does.
    fn remove_all(&mut self, path: &str, changes: &mut Vec<Change>) {
        let node = self.get(path).expect("a listed child exists");
        for child in &node.children {
            self.remove_all(&join(path, child), changes);
        }
        self.delete(path);
        changes.push(Change { path: path.to_owned(), exact: true });
    }

    fn put(&mut self, path: &str, mut node: Node) {
        self.touch(path, true);
        self.generation += 1;
        node.generation = self.generation;
        self.nodes.insert(path.into(), Arc::new(node));
    }

    fn delete(&mut self, path: &str) {
        self.touch(path, true);
        self.nodes.remove(path);
    }

    /// Notes what the node was before the transaction did anything to it.
    fn touch(&mut self, path: &str, change: bool) {
        let Some(touched) = &mut self.touched else { return };
        let before = self.nodes.get(path).map(|node| node.generation);
        let touch = touched.entry(path.to_owned()).or_insert(Touch { before, changed: false });
        touch.changed |= change;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(tree: &mut Tree, path: &str) -> Option<String> {
        tree.get(path).ok().map(|node| String::from_utf8(node.value.clone()).unwrap())
    }

    #[test]
    fn writing_creates_parents_which_list_their_children_and_hand_down_permissions() {
        let mut tree = Tree::new();
        tree.make("/a");
        tree.set_permissions("/a", vec!["b3".into(), "r4".into()]).unwrap();
        assert_eq!(tree.write("/a/b/c", b"1"), Change { path: "/a/b/c".into(), exact: false });
        assert_eq!(value(&mut tree, "/a/b").as_deref(), Some(""));
        assert_eq!(tree.get("/a").unwrap().listing(), b"b\0");
        assert_eq!(tree.get("/a/b/c").unwrap().permissions, ["b3", "r4"]);
    }

    #[test]
    fn make_leaves_an_existing_value_alone() {
        let mut tree = Tree::new();
        tree.write("/a", b"1");
        assert_eq!(tree.make("/a"), None);
        assert_eq!(value(&mut tree, "/a").as_deref(), Some("1"));
    }

    #[test]
    fn removing_tells_of_children_exactly_and_of_the_node_to_all() {
        let mut tree = Tree::new();
        tree.write("/a/b/c", b"");
        tree.write("/a/d", b"");
        let changes = tree.remove("/a").unwrap();
        let expected = [("/a/b/c", true), ("/a/b", true), ("/a/d", true), ("/a", false)];
        assert_eq!(changes, expected.map(|(path, exact)| Change { path: path.into(), exact }));
        assert_eq!(tree.get("/").unwrap().listing(), b"");
        assert_eq!(tree.get("/a/b/c").unwrap_err(), Refusal::NotFound);
        assert_eq!(tree.remove("/a"), Ok(vec![]));
        assert_eq!(tree.remove("/a/b"), Err(Refusal::NotFound));
        assert_eq!(tree.remove("/"), Err(Refusal::Invalid));
    }

    #[test]
    fn a_transaction_sees_its_snapshot_and_nobody_sees_the_transaction() {
        let mut tree = Tree::new();
        tree.write("/a", b"1");
        let mut transaction = tree.transaction();
        tree.write("/a", b"2");
        transaction.write("/b", b"3");
        assert_eq!(value(&mut transaction, "/a").as_deref(), Some("1"));
        assert_eq!(value(&mut tree, "/b"), None);
    }

    #[test]
    fn only_changes_to_what_the_transaction_touched_are_conflicts() {
        let mut tree = Tree::new();
        for path in ["/a/x", "/b/x", "/c/x"] {
            tree.write(path, b"");
        }
        let mut transaction = tree.transaction();
        transaction.write("/a/x", b"1");
        transaction.get("/b/x").unwrap();
        tree.write("/c/x", b"");
        tree.write("/c/new", b"");
        tree.commit(transaction).unwrap();
        assert_eq!(value(&mut tree, "/a/x").as_deref(), Some("1"));

        type Act = fn(&mut Tree);
        let conflicts: [(Act, Act); 5] = [
            (|ours| drop(ours.get("/b/x")), |theirs| drop(theirs.write("/b/x", b""))),
            (|ours| drop(ours.get("/b/none")), |theirs| drop(theirs.write("/b/none", b""))),
            (|ours| drop(ours.write("/b/x", b"")), |theirs| drop(theirs.remove("/b"))),
            (|ours| drop(ours.write("/b/y", b"")), |theirs| drop(theirs.write("/b/z", b""))),
            (|ours| drop(ours.get("/b")), |theirs| drop(theirs.remove("/b/x"))),
        ];
        for (number, (ours, theirs)) in conflicts.into_iter().enumerate() {
            let mut tree = tree.clone();
            let mut transaction = tree.transaction();
            ours(&mut transaction);
            theirs(&mut tree);
            assert_eq!(tree.commit(transaction), Err(Refusal::Conflict), "{number}");
        }
    }

    #[test]
    fn a_commit_removes_what_the_transaction_removed() {
        let mut tree = Tree::new();
        tree.write("/a/b", b"");
        let mut transaction = tree.transaction();
        transaction.remove("/a").unwrap();
        tree.commit(transaction).unwrap();
        assert_eq!(tree.get("/a/b").unwrap_err(), Refusal::NotFound);
        assert_eq!(tree.get("/").unwrap().listing(), b"");
    }

    #[test]
    fn a_domains_topmost_nodes_are_found() {
        let mut tree = Tree::new();
        tree.write("/a/b", b"");
        tree.write("/a/bc", b"");
        tree.set_permissions("/a/b", vec!["n7".into()]).unwrap();
        tree.write("/a/b/c", b"");
        assert_eq!(tree.owned_by(7), ["/a/b"]);
    }
}
