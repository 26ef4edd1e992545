//! Paths: relative to absolute, and which are legal.

use crate::wire::{ABSOLUTE_PATH_MAX, RELATIVE_PATH_MAX, Refusal};

/// What the relative paths of all our clients, domain 0, are relative to.
pub(crate) const HOME: &str = "/local/domain/0";

/// The absolute path of a node, checked.
pub(crate) fn absolute(path: &[u8]) -> Result<String, Refusal> {
    let path = str::from_utf8(path).map_err(|_| Refusal::Invalid)?;
    let (path, limit) = if path.starts_with(['/', '@']) {
        (path.to_owned(), ABSOLUTE_PATH_MAX)
    } else {
        (format!("{HOME}/{path}"), HOME.len() + 1 + RELATIVE_PATH_MAX)
    };
    let legal = path.starts_with('/')
        && path.len() <= limit
        && (path == "/" || !path.ends_with('/'))
        && !path.contains("//")
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/_@".contains(&byte));
    if legal { Ok(path) } else { Err(Refusal::Invalid) }
}

/// What a watch is set on: a node or a special name, and whether the client gave it as a relative path.
pub(crate) fn watched(path: &[u8]) -> Result<(String, bool), Refusal> {
    if path.starts_with(b"@") {
        return Ok((special(path)?, false));
    }
    Ok((absolute(path)?, !path.starts_with(b"/")))
}

/// The name of a special watch, checked.
pub(crate) fn special(name: &[u8]) -> Result<String, Refusal> {
    let name = str::from_utf8(name).map_err(|_| Refusal::Invalid)?;
    if name.starts_with('@') && name.len() <= RELATIVE_PATH_MAX { Ok(name.to_owned()) } else { Err(Refusal::Invalid) }
}

/// The parent of a legal absolute path, `None` for the root.
pub(crate) fn parent(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 if path == "/" => None,
        0 => Some("/"),
        slash => Some(&path[..slash]),
    }
}

/// The last component of a legal absolute path.
pub(crate) fn leaf(path: &str) -> &str {
    &path[path.rfind('/').map_or(0, |slash| slash + 1)..]
}

/// The path of a child.
pub(crate) fn join(parent: &str, child: &str) -> String {
    if parent == "/" { format!("/{child}") } else { format!("{parent}/{child}") }
}

/// Whether `path` is `ancestor` or lies under it.
pub(crate) fn is_within(path: &str, ancestor: &str) -> bool {
    ancestor == "/" || path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_domain_0s() {
        assert_eq!(absolute(b"domid").unwrap(), "/local/domain/0/domid");
        assert_eq!(absolute(b"/a/b-c_d@1").unwrap(), "/a/b-c_d@1");
        assert_eq!(absolute(b"/").unwrap(), "/");
        assert_eq!(watched(b"x").unwrap(), ("/local/domain/0/x".to_owned(), true));
        assert_eq!(watched(b"@releaseDomain").unwrap(), ("@releaseDomain".to_owned(), false));
    }

    #[test]
    fn malformed_paths_are_invalid() {
        for path in [&b""[..], b"/a/", b"//", b"/a//b", b"/a b", b"/a\xff", b"a/", b"/a.b", b"@releaseDomain"] {
            assert_eq!(absolute(path), Err(Refusal::Invalid), "{path:?}");
        }
    }

    #[test]
    fn the_limits_are_3072_absolute_and_2048_relative() {
        let path = |first: &str, length: usize| format!("{first}{}", "x".repeat(length - first.len())).into_bytes();
        assert!(absolute(&path("/", 3072)).is_ok());
        assert_eq!(absolute(&path("/", 3073)), Err(Refusal::Invalid));
        assert!(absolute(&path("x", 2048)).is_ok());
        assert_eq!(absolute(&path("x", 2049)), Err(Refusal::Invalid));
        assert_eq!(watched(&path("@", 2049)), Err(Refusal::Invalid));
    }

    #[test]
    fn within_means_whole_components() {
        assert!(is_within("/a/b", "/a/b") && is_within("/a/b/c", "/a/b") && is_within("/a", "/"));
        assert!(!is_within("/a/bc", "/a/b") && !is_within("/a", "/a/b"));
        assert_eq!((parent("/a/b"), parent("/a"), parent("/")), (Some("/a"), Some("/"), None));
        assert_eq!((leaf("/a/b"), join("/", "a"), join("/a", "b")), ("b", "/a".to_owned(), "/a/b".to_owned()));
    }
}
