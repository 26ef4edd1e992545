//! What is where in a stream of version 2: which bytes libxl itself reads and writes, and which its helper.
//!
//! A stream is a header and records: libxl's, but for what follows the record that announces the memory. That is the business of the helper, a
//! process of its own, up to the end of the memory; then come libxl's records again, up to their end.
//!
//! Libxl reads a header or a record to its end once it has begun to come, and holds its lock meanwhile: nobody else gets anything done with
//! its ctx. It takes a stream that ends before a record for one that is complete. So its own records are handed to it whole, and that
//! the end has been handed over is known here. It writes its records with its lock held, too, and waits until they are taken.

use crate::error::Error;
use crate::save_file::HEAD;

/// The length of a header of a record: libxl's and the helper's have a type and a length, of 4 bytes each.
const HEADER: u64 = 8;

/// What the helper reads before its first record.
const MEMORY_HEADERS: u64 = 40;

/// The type of the last record, of libxl's and of the helper's.
const END: u32 = 0;
/// After this one comes the memory.
const LIBXC_CONTEXT: u32 = 1;

/// Records have the state of a device model at most, which has some hundreds of KiB; a damaged length must not fill the memory.
pub(crate) const LONGEST: usize = 256 << 20;

const DAMAGED: Error = Error::SaveFile("the length of one of its records is beyond reason: it is damaged");

/// How far a stream has been handed over.
#[derive(Clone)]
pub(crate) struct Stream {
    at: At,
    whose: Whose,
    /// Whether libxl writes it, and does not read it.
    is_written: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a record.
    Record,
    /// So many bytes before a record, which may be handed over as they come.
    Before(u64),
    End,
    /// Anywhere: nobody looks. Of version 1, the helper reads all; and what libxl writes after the memory is good.
    Somewhere,
}

/// Whose the next record is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Libxl,
    Helper,
}

impl Stream {
    /// One of version 2, of which what is before the memory has been handed over.
    pub(crate) const fn at_the_memory() -> Self {
        Self { at: At::Before(MEMORY_HEADERS), whose: Whose::Helper, is_written: false }
    }

    /// One that is handed over as it comes: of version 1, which does not tell what is whose, or of which nothing is needed any more.
    pub(crate) const fn opaque() -> Self {
        Self { at: At::Somewhere, whose: Whose::Helper, is_written: false }
    }

    /// One of version 2 that libxl writes.
    pub(crate) const fn written() -> Self {
        Self { at: At::Before(HEAD as u64 + MEMORY_HEADERS), whose: Whose::Helper, is_written: true }
    }

    /// Whether libxl writes what comes next, and waits with its lock held until that is taken. It is some hundreds of KiB.
    pub(crate) fn is_written_by_libxl(&self) -> bool {
        self.is_written && self.whose == Whose::Libxl
    }

    /// Whether what comes next is written by the helper, and behind it by libxl.
    pub(crate) fn is_written_by_helper(&self) -> bool {
        self.is_written && self.whose == Whose::Helper
    }

    /// Whether all of it has been handed over.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == At::End
    }

    /// Whether it is not known what is in it. Of one that is read, what is behind its end is read, too.
    pub(crate) fn is_opaque(&self) -> bool {
        self.at == At::Somewhere
    }

    /// How many bytes of it there are at least behind those that were handed over, of which these have come. What comes after is not the
    /// stream's.
    pub(crate) fn expected(&self, come: &[u8]) -> usize {
        let length = match self.at {
            At::Record => record(come).map_or(HEADER, |(_, length)| length),
            At::Before(left) => left + HEADER,
            At::End => 0,
            At::Somewhere => u64::MAX,
        };
        length.try_into().unwrap_or(usize::MAX)
    }

    /// How many of these bytes, which come next, may be handed over now. The others are to be passed again, with those that follow them.
    ///
    /// # Errors
    /// A record is longer than any.
    pub(crate) fn hand_over(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let mut over = 0;
        loop {
            let rest = &bytes[over..];
            match (self.at, self.whose) {
                (At::Somewhere, _) => return Ok(bytes.len()),
                (At::End, _) => return Ok(over),
                (At::Before(0), _) => self.at = At::Record,
                (At::Before(_), _) if rest.is_empty() => return Ok(over),
                (At::Before(left), _) => {
                    let come = (rest.len() as u64).min(left);
                    over += come as usize;
                    self.at = At::Before(left - come);
                }
                (At::Record, whose) => match (record(rest), whose) {
                    (None, _) => return Ok(over),
                    (Some((kind, length)), Whose::Helper) => {
                        over += HEADER as usize;
                        self.at = At::Before(length - HEADER);
                        if kind == END {
                            self.whose = Whose::Libxl;
                            if self.is_written {
                                self.at = At::Somewhere;
                            }
                        }
                    }
                    (Some((_, length)), Whose::Libxl) if length > LONGEST as u64 => return Err(DAMAGED),
                    (Some((_, length)), Whose::Libxl) if length > rest.len() as u64 => return Ok(over),
                    (Some((kind, length)), Whose::Libxl) => {
                        over += length as usize;
                        match kind {
                            END => self.at = At::End,
                            LIBXC_CONTEXT => *self = Self::at_the_memory(),
                            _ => {}
                        }
                    }
                },
            }
        }
    }
}

/// The type of the record that begins here, and its length with its header, if that has come.
fn record(bytes: &[u8]) -> Option<(u32, u64)> {
    let number = |at: usize| bytes.get(at..at + 4).and_then(|number| Some(u32::from_le_bytes(number.try_into().ok()?)));
    Some((number(0)?, HEADER + u64::from(number(4)?).next_multiple_of(HEADER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, body: usize) -> Vec<u8> {
        let mut record = [kind.to_le_bytes(), (body as u32).to_le_bytes()].concat();
        record.resize(8 + body.next_multiple_of(8), 7);
        record
    }

    /// What the helper reads, and libxl's records of which there are two before the last one.
    fn parts() -> (Vec<u8>, [Vec<u8>; 3]) {
        let memory = [&[9; 40][..], &record(1, 5000), &record(7, 3), &record(END, 0)].concat();
        (memory, [record(2, 100), record(3, 1), record(END, 0)])
    }

    /// Hands it over as it comes, so many bytes at once; where each record of libxl's was handed over.
    fn handed_over(stream: &[u8], at_once: usize, memory: usize) -> Vec<usize> {
        let mut place = Stream::at_the_memory();
        let (mut over, mut ends) = (0, Vec::new());
        for come in (0..stream.len()).step_by(at_once).map(|at| (at + at_once).min(stream.len())) {
            let next = over + place.hand_over(&stream[over..come]).expect("it is a good stream");
            assert!(next >= memory || come - next < 8, "{} of {come} bytes are kept from the helper", come - next);
            if next > over.max(memory) {
                ends.push(next);
            }
            over = next;
        }
        assert!(place.is_at_end());
        ends
    }

    #[test]
    fn libxls_records_are_handed_over_whole_and_the_helpers_as_they_come() {
        let (memory, records) = parts();
        let stream = [&memory[..], &records.concat()].concat();
        let ends: Vec<_> = records
            .iter()
            .scan(memory.len(), |end, record| Some(*end + record.len()).inspect(|next| *end = *next))
            .collect();
        assert_eq!(handed_over(&stream, 1, memory.len()), ends);
        for at_once in [2, 3, 7, 8, 64, 1000, stream.len()] {
            let over = handed_over(&stream, at_once, memory.len());
            assert!(over.iter().all(|end| ends.contains(end)), "{at_once} bytes at once: {over:?}, not {ends:?}");
        }
    }

    #[test]
    fn what_is_expected_is_never_more_than_there_is() {
        let (memory, records) = parts();
        let stream = [&memory[..], &records.concat()].concat();
        let mut place = Stream::at_the_memory();
        let (mut over, mut come) = (0, 0);
        while come < stream.len() {
            let expected = place.expected(&stream[over..come]);
            assert!(expected > come - over, "nothing more is expected at byte {come}");
            assert!(over + expected <= stream.len(), "{expected} bytes are expected at byte {over}");
            come = over + expected;
            over += place.hand_over(&stream[over..come]).expect("it is a good stream");
        }
        assert_eq!((over, place.expected(&[])), (stream.len(), 0));
        assert_eq!(place.hand_over(b"domain is yours").expect("it is not looked at"), 0);
    }

    #[test]
    fn a_stream_is_not_complete_before_its_end_and_a_length_beyond_reason_is_refused() {
        let (memory, records) = parts();
        let mut place = Stream::at_the_memory();
        let last = records.concat().len() - 1;
        let stream = [&memory[..], &records.concat()[..last]].concat();
        assert_eq!(place.hand_over(&stream).expect("it is a good stream"), stream.len() - 7);
        assert!(!place.is_at_end() && !place.is_opaque());

        let mut place = Stream::at_the_memory();
        let absurd = [2_u32.to_le_bytes(), [u8::MAX; 4]].concat();
        assert!(matches!(place.hand_over(&[&memory[..], &absurd].concat()), Err(Error::SaveFile(_))));
        // The helper has its own limit.
        let mut place = Stream::at_the_memory();
        assert_eq!(place.hand_over(&[&[9; 40][..], &absurd].concat()).expect("it is the helper's"), 48);
    }

    #[test]
    fn a_second_memory_is_the_helpers_again() {
        let (memory, records) = parts();
        let stream = [&memory[..], &record(LIBXC_CONTEXT, 0), &memory, &records.concat()].concat();
        let mut place = Stream::at_the_memory();
        let inside = 2 * memory.len() + 8 - 100;
        assert!(inside - place.hand_over(&stream[..inside]).expect("it is a good stream") < 8);
    }

    #[test]
    fn an_opaque_stream_is_handed_over_as_it_comes() {
        let mut place = Stream::opaque();
        assert_eq!(place.hand_over(&[0; 100]).expect("it is not looked at"), 100);
        assert!(place.is_opaque() && place.expected(&[]) == usize::MAX);
    }
}
