//! How the lab's agent in dom0 speaks to the host: frames over one I/O port.
//!
//! QEMU's debug console carries bytes out of the machine in order and loses none, so one port suffices for the
//! program's two outputs, the files that are to be brought back, and how the program ended. A frame is a kind (one
//! byte), the length of its body (`u32`, little-endian) and the body.

use std::io::{self, Read, Write};

/// The I/O port of QEMU's `isa-debugcon` that carries the frames.
pub const PORT: u16 = 0xe9;

/// Where in dom0 the host leaves the program's arguments, each ended by a NUL; the first is the program.
pub const COMMAND_FILE: &str = "/lab/command";

/// Where in dom0 the host leaves the paths of the files to bring back, each ended by a NUL.
pub const FETCH_FILE: &str = "/lab/fetch";

/// The folder in dom0 in which the program is started, and where it lies if it came from the host.
pub const PROGRAM_FOLDER: &str = "/lab/program";

/// One message from dom0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The program is about to be started.
    Starting,
    /// The program wrote this to its standard output.
    Stdout(Vec<u8>),
    /// The program wrote this to its standard error.
    Stderr(Vec<u8>),
    /// The next bytes of the file with this place in [`FETCH_FILE`].
    FileBytes(u8, Vec<u8>),
    /// The file with this place in [`FETCH_FILE`] has been sent to its end.
    FileEnd(u8),
    /// The file with this place in [`FETCH_FILE`] could not be read, and why.
    FileMissing(u8, String),
    /// The program ended by itself, with this exit code. The last frame.
    Exited(u8),
    /// The program was killed by this signal. The last frame.
    Signalled(u8),
    /// The program could not be started, and why. The last frame.
    NotStarted(String),
}

impl Frame {
    /// Writes the frame in one call of `write_all`.
    ///
    /// # Errors
    /// Those of `out`, and `InvalidInput` for a body of 4 GiB or more.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let (kind, body) = match self {
            Frame::Starting => (0, Vec::new()),
            Frame::Stdout(bytes) => (1, bytes.clone()),
            Frame::Stderr(bytes) => (2, bytes.clone()),
            Frame::FileBytes(place, bytes) => (3, [&[*place], &bytes[..]].concat()),
            Frame::FileEnd(place) => (4, vec![*place]),
            Frame::FileMissing(place, why) => (5, [&[*place], why.as_bytes()].concat()),
            Frame::Exited(code) => (6, vec![*code]),
            Frame::Signalled(signal) => (7, vec![*signal]),
            Frame::NotStarted(why) => (8, why.clone().into_bytes()),
        };
        let length = u32::try_from(body.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&body);
        out.write_all(&bytes)
    }

    /// Reads the next frame; `None` when the stream ends, be it inside a frame, as it does when dom0 dies.
    ///
    /// # Errors
    /// Those of `input`, and `InvalidData` for what is no frame.
    pub fn read_from(input: &mut impl Read) -> io::Result<Option<Frame>> {
        let mut head = [0; 5];
        if !fill(input, &mut head)? {
            return Ok(None);
        }
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        let mut body = Vec::new();
        input.take(length.into()).read_to_end(&mut body)?;
        if body.len() < length as usize {
            return Ok(None);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Some(match (kind, &body[..]) {
            (0, []) => Frame::Starting,
            (1, _) => Frame::Stdout(body),
            (2, _) => Frame::Stderr(body),
            (3, [place, bytes @ ..]) => Frame::FileBytes(*place, bytes.to_vec()),
            (4, [place]) => Frame::FileEnd(*place),
            (5, [place, why @ ..]) => Frame::FileMissing(*place, text(why)),
            (6, [code]) => Frame::Exited(*code),
            (7, [signal]) => Frame::Signalled(*signal),
            (8, why) => Frame::NotStarted(text(why)),
            _ => {
                let what = format!("no frame has kind {kind} and {length} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }))
    }
}

/// Fills `buffer`; false if the stream ended first.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<Frame> {
        vec![
            Frame::Starting,
            Frame::Stdout(b"out".to_vec()),
            Frame::Stderr(Vec::new()),
            Frame::FileBytes(3, vec![0, 255]),
            Frame::FileEnd(3),
            Frame::FileMissing(4, "no such file".into()),
            Frame::Exited(7),
            Frame::Signalled(11),
            Frame::NotStarted("not executable".into()),
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut stream = Vec::new();
        for frame in every_kind() {
            frame.write_to(&mut stream).unwrap();
        }
        let mut input = &stream[..];
        for frame in every_kind() {
            assert_eq!(Frame::read_from(&mut input).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read_from(&mut input).unwrap(), None);
    }

    #[test]
    fn stream_cut_short_anywhere_ends_without_a_frame() {
        let mut stream = Vec::new();
        Frame::Stdout(b"out".to_vec()).write_to(&mut stream).unwrap();
        for end in 0..stream.len() {
            assert_eq!(Frame::read_from(&mut &stream[..end]).unwrap(), None);
        }
    }

    #[test]
    fn unknown_kind_is_an_error() {
        let error = Frame::read_from(&mut &[99, 0, 0, 0, 0][..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
