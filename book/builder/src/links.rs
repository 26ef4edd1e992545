//! The links of a book that was built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// Links from one place of the book to another.
    pub(crate) inside: usize,
    /// Links to other sites. Only their form is looked at.
    pub(crate) outside: usize,
    /// What is wrong, each with the file that has it.
    pub(crate) dead: Vec<String>,
}

/// A file of the book.
#[derive(Default)]
struct File {
    anchors: BTreeSet<String>,
    links: Vec<String>,
}

/// Checks all links of the HTML files below the folder.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn check(folder: &Path) -> io::Result<Links> {
    let mut files = BTreeMap::new();
    read(folder, Path::new(""), &mut files)?;
    let mut found = Links::default();
    for (path, file) in &files {
        for link in &file.links {
            if let Some(fault) = fault(folder, &files, path, link, &mut found) {
                found.dead.push(format!("{}: {link}: {fault}", path.display()));
            }
        }
    }
    Ok(found)
}

fn read(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, File>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read(root, &path, files)?;
        // The page for errors is served at any address, so its links have no base of their own.
        } else if path.extension().is_some_and(|extension| extension == "html") && path != Path::new("404.html") {
            files.insert(path, parse(&fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

/// Collects anchors and links. Text has no `<`, so a tag is what follows one.
fn parse(html: &str) -> File {
    let mut file = File::default();
    let mut rest = html;
    while let Some((_, tag)) = rest.split_once('<') {
        // A script is no markup.
        rest = match tag.starts_with("script").then(|| tag.split_once("</script")).flatten() {
            Some((_, after)) => after,
            None => tag,
        };
        let mut inside = tag;
        loop {
            let end = inside.find('>').unwrap_or(inside.len());
            let Some(at) = inside[..end].find("=\"") else { break };
            let name = inside[..at].rsplit([' ', '\n']).next().unwrap_or_default();
            let Some((value, after)) = inside[at + 2..].split_once('"') else { break };
            match name {
                "id" => {
                    file.anchors.insert(value.to_owned());
                }
                "href" | "src" => file.links.push(value.replace("&amp;", "&")),
                _ => {}
            }
            inside = after;
        }
    }
    file
}

fn fault(
    root: &Path,
    files: &BTreeMap<PathBuf, File>,
    from: &Path,
    link: &str,
    found: &mut Links,
) -> Option<&'static str> {
    if link.contains(':') {
        found.outside += 1;
        return (!is_well_formed(link)).then_some("not the form of an address");
    }
    found.inside += 1;
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let mut target = if path.is_empty() { from.to_owned() } else { PathBuf::new() };
    if !path.is_empty() {
        let base = from.parent().unwrap_or(Path::new(""));
        for part in base.join(path).components() {
            if part.as_os_str() == ".." {
                if !target.pop() {
                    return Some("it leads out of the book");
                }
            } else {
                target.push(part);
            }
        }
    }
    if !root.join(&target).is_file() {
        return Some("there is no such file");
    }
    let is_there = |file: &File| anchor.is_empty() || file.anchors.contains(anchor);
    (!files.get(&target).is_none_or(is_there)).then_some("there is no such anchor")
}

/// An address of the web, with a host.
fn is_well_formed(link: &str) -> bool {
    let host = link.strip_prefix("https://").map(|rest| rest.split(['/', '#', '?']).next().unwrap_or_default());
    host.is_some_and(|host| host.contains('.') && !host.starts_with('.') && !host.ends_with('.'))
        && !link.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_files_dead_anchors_and_addresses_without_a_host_are_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("sub")).unwrap();
        let a = r##"<h1 id="top">A</h1><a href="sub/b.html#there">1</a> <a class="x" href="sub/b.html#gone">2</a>
            <a href="#top">3</a> <a href="none.html">4</a> <a href="https://xenproject.org/x">5</a> <a href="https:/bad">6</a>
            <script>if (a < b) { c = '<a href="no.html">'; }</script> <code>href="no.html"</code>"##;
        fs::write(folder.path().join("a.html"), a).unwrap();
        fs::write(
            folder.path().join("sub/b.html"),
            r#"<p id="there"><a href="../a.html">1</a><a href="../../a.html">2</a>"#,
        )
        .unwrap();
        let found = check(folder.path()).unwrap();
        let expected = [
            "a.html: sub/b.html#gone: there is no such anchor",
            "a.html: none.html: there is no such file",
            "a.html: https:/bad: not the form of an address",
            "sub/b.html: ../../a.html: it leads out of the book",
        ];
        assert_eq!(found.dead, expected);
        assert_eq!((found.inside, found.outside), (6, 2));
    }
}
