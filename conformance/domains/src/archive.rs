//! The cpio archives that Linux unpacks as its first file system.

use cpio::newc;
use std::io::{self, Write};

/// Writes an archive of the `newc` format. Root owns all entries. Archives can be concatenated: Linux unpacks them in order, and
/// later files replace earlier ones.
#[derive(Debug)]
pub struct Archive<W: Write> {
    out: W,
    entries: u32,
}

impl<W: Write> Archive<W> {
    /// Creates an archive without entries.
    pub fn new(out: W) -> Archive<W> {
        Archive { out, entries: 0 }
    }

    /// Adds a folder. Its parents have to be added before.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn folder(&mut self, path: &str) -> io::Result<()> {
        self.entry(path, 0o040_755, &[])
    }

    /// Adds a file, which can be executable.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn file(&mut self, path: &str, executable: bool, content: &[u8]) -> io::Result<()> {
        let mode = if executable { 0o100_755 } else { 0o100_644 };
        self.entry(path, mode, content)
    }

    /// Adds a symbolic link to `to`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn link(&mut self, path: &str, to: &str) -> io::Result<()> {
        self.entry(path, 0o120_777, to.as_bytes())
    }

    /// Ends the archive, and pads it to a multiple of four bytes.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<W> {
        newc::trailer(self.out)
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let size = u32::try_from(content.len())
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "a file in a cpio archive has less than 4 GiB"))?;
        let mut entry =
            newc::Builder::new(path.trim_start_matches('/')).ino(self.entries).mode(mode).write(&mut self.out, size);
        entry.write_all(content)?;
        entry.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn entries_are_read_back_as_written() {
        let mut archive = Archive::new(Vec::new());
        archive.folder("bin").unwrap();
        archive.file("/bin/run", true, b"#!/bin/sh\n").unwrap();
        archive.link("sbin", "bin").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0, "another archive can follow");

        let mut input = &bytes[..];
        let mut seen = Vec::new();
        loop {
            let mut reader = newc::Reader::new(input).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = String::new();
            reader.read_to_string(&mut content).unwrap();
            let entry = reader.entry();
            assert_eq!((entry.uid(), entry.gid()), (0, 0));
            seen.push((entry.name().to_owned(), entry.mode(), content));
            input = reader.finish().unwrap();
        }
        let expected = [("bin", 0o040_755, ""), ("bin/run", 0o100_755, "#!/bin/sh\n"), ("sbin", 0o120_777, "bin")];
        assert_eq!(seen, expected.map(|(name, mode, text)| (name.into(), mode, text.into())));
    }
}
