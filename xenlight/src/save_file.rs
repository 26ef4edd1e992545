//! Saving a domain to a file and making it anew from one, in the format of `xl save` and `xl restore`.
//!
//! A file is a header, optional data, and the stream that libxl reads and writes. Numbers are in
//! the byte order of the machine.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 32 | [`MAGIC`] |
//! | 32 | 4 | [`BYTE_ORDER`] |
//! | 36 | 4 | mandatory flags: [`JSON`], [`STREAM_V2`]; others are for newer readers |
//! | 40 | 4 | optional flags: none is known, any is skipped |
//! | 44 | 4 | length of the optional data |
//! | 48 | 4 | length of the configuration, its NUL byte included |
//! | 52 | … | the configuration; what optional data follow it are skipped |
//!
//! The stream begins right after. It is copied between the file and a socket of libxl's, from where the header ended: see
//! `migration::relay`.

use crate::config;
#[cfg(doc)]
use crate::contract::*;
use crate::domain::NewDomain;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::operation::{self, Action, Operation, Request};
use crate::question;
use crate::structs::Typed;
use crate::task::Task;
use core::ffi::c_int;
use osevent_core::Registry;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use xenlight_sys::by_release::CreateRestore;
use xenlight_sys::domain::AsyncopHow;
use xenlight_sys::{Ctx as RawCtx, Library, Release, codes};
use xenlight_types::{DomainConfig, DomainId, RestoreParams};

const MAGIC: &[u8; 32] = b"Xen saved domain, xl format\n \0 \r";
const BYTE_ORDER: u32 = 0x0102_0304;
/// The configuration is JSON, not of xl's own kind: always, from Xen 4.5 on.
const JSON: u32 = 1;
/// The stream is of version 2: always, from Xen 4.6 on.
const STREAM_V2: u32 = 2;
/// More than any configuration needs; a damaged length must not fill the memory.
const LONGEST: u32 = 16 << 20;

/// Whether the domain runs while it is saved.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Stopped,
    /// Until most of its memory is written.
    Live,
}

/// Begins to write the stream.
pub(crate) fn save(
    registry: &Arc<Registry<Hosted>>,
    task: Task,
    domid: DomainId,
    stream: File,
    mode: Mode,
) -> Result<Operation<()>, Error> {
    operation::start(registry, task, Save { domid, stream, mode })
}

/// Begins to read the stream.
pub(crate) fn restore(
    registry: &Arc<Registry<Hosted>>,
    task: Task,
    config: &DomainConfig,
    stream: File,
) -> Result<Operation<DomainId>, Error> {
    let mut params = RestoreParams::default();
    if is_v2(registry.client().whole_library().release()) {
        params.stream_version = Some(2);
    }
    let (config, params) = question::ask(registry, task, |question| {
        // SAFETY: the ctx lives during `ask`.
        let config = unsafe { config::to_libxl(question.hosted, question.ctx, config) }?;
        Ok((config, question.given(&params)?))
    })?;
    operation::start(registry, task, Restore { config, domid: NewDomain::default(), stream, params })
}

struct Save {
    domid: DomainId,
    stream: File,
    mode: Mode,
}

impl Action for Save {
    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        let flags = match self.mode {
            Mode::Stopped => 0,
            Mode::Live => codes::SUSPEND_LIVE,
        };
        // SAFETY: the ctx is alive; the stream is open until the operation has ended (E9).
        unsafe { library.domain_suspend(ctx, self.domid.get(), self.stream.as_raw_fd(), flags, how) }
    }
}

struct Restore {
    config: Typed<DomainConfig>,
    domid: NewDomain,
    stream: File,
    params: Typed<RestoreParams>,
}

impl Request for Restore {
    type Output = DomainId;

    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        const NO_WAY_BACK: c_int = -1;
        let (config, domid, params) = (self.config.as_ptr(), self.domid.as_ptr(), self.params.as_ptr());
        let fd = self.stream.as_raw_fd();
        // SAFETY: `how` is this request's.
        let console = unsafe { operation::console_how::<Self>(how) };
        match library.domain_create_restore() {
            // SAFETY: the ctx is alive; configuration, domid, stream and parameters live until the operation
            // has ended (E9).
            CreateRestore::Plain(restore) => unsafe { restore(ctx, config, domid, fd, how, &console) },
            // SAFETY: likewise.
            CreateRestore::Params(restore) => unsafe { restore(ctx, config, domid, fd, params, how, &console) },
            // SAFETY: likewise.
            CreateRestore::SendBack(restore) => unsafe {
                restore(ctx, config, domid, fd, NO_WAY_BACK, params, how, &console)
            },
        }
    }

    fn finish(&self, result: Result<(), Error>) -> Result<DomainId, Error> {
        self.domid.created(result)
    }
}

/// The flags of the files that this release's `xl` and libxl write, which are those that they read.
fn flags(release: Release) -> u32 {
    if release < Release::V4_6 { JSON } else { JSON | STREAM_V2 }
}

/// Whether this release's libxl writes and reads streams of version 2.
pub(crate) fn is_v2(release: Release) -> bool {
    flags(release) & STREAM_V2 != 0
}

/// Writes what is before the stream.
pub(crate) fn write_header(file: &mut impl Write, json: &str, release: Release) -> io::Result<()> {
    let config = u32::try_from(json.len() + 1).ok();
    let optional = config.and_then(|config| config.checked_add(4)).filter(|optional| *optional <= LONGEST);
    let (Some(config), Some(optional)) = (config, optional) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the configuration is too long"));
    };
    let mut header = Vec::from(MAGIC);
    for number in [BYTE_ORDER, flags(release), 0, optional, config] {
        header.extend(number.to_ne_bytes());
    }
    header.extend(json.as_bytes());
    header.push(0);
    file.write_all(&header)
}

/// How much of the stream [`read_head`] reads.
pub(crate) const HEAD: usize = 24;

/// Reads the beginning of a stream of version 2. Libxl up to 4.22 ends the process if it does not like the stream before it has
/// come to the first record, which has it start its helper ([E14]).
pub(crate) fn read_head(file: &mut impl Read) -> Result<[u8; HEAD], Error> {
    const IDENT: &[u8; 8] = b"LibxlFmt";
    const VERSION: [u8; 4] = 2_u32.to_be_bytes();
    const BIG_ENDIAN: u8 = 1;
    const LIBXC_CONTEXT: [u8; 4] = 1_u32.to_le_bytes();
    let mut begin = [0; HEAD];
    read(file, &mut begin, "it ends before the domain's state")?;
    let is_libxls = begin[..8] == *IDENT && begin[8..12] == VERSION && begin[15] & BIG_ENDIAN == 0;
    // A body would be read before the helper is there.
    if is_libxls && begin[16..20] == LIBXC_CONTEXT && begin[20..24] == [0; 4] {
        Ok(begin)
    } else {
        Err(Error::SaveFile("what follows its configuration is no stream of libxl's: it is damaged"))
    }
}

/// Reads what is before the stream, and returns the configuration.
pub(crate) fn read_header(file: &mut impl Read, release: Release) -> Result<DomainConfig, Error> {
    Ok(DomainConfig::from_json(&read_json(file, flags(release))?)?)
}

/// `flags` are what a file must have, all of them and no other.
fn read_json(file: &mut impl Read, flags: u32) -> Result<String, Error> {
    let mut magic = [0; MAGIC.len()];
    read(file, &mut magic, "it is shorter than a header")?;
    if magic != *MAGIC {
        return Err(Error::SaveFile("it does not begin as one of xl's"));
    }
    let mut numbers = [0; 4];
    for number in &mut numbers {
        *number = read_number(file, "it ends inside the header")?;
    }
    let [byte_order, mandatory, _, optional] = numbers;
    if byte_order != BYTE_ORDER {
        return Err(Error::SaveFile("it was written by a machine with another byte order"));
    }
    if mandatory & !(JSON | STREAM_V2) != 0 {
        return Err(Error::SaveFile("it has features that are not known: it was written by a newer xl"));
    }
    if optional == 0 {
        return Err(Error::SaveFile("it has no configuration"));
    }
    if mandatory & JSON == 0 {
        return Err(Error::SaveFile("its configuration is not in JSON: it was written by Xen 4.4 or earlier"));
    }
    if mandatory != flags {
        return Err(Error::SaveFile(
            "its stream is of a version that the loaded libxl does not take: Xen 4.5 and earlier write the first, later ones the second",
        ));
    }
    if optional > LONGEST {
        return Err(Error::SaveFile("the length of its configuration is beyond reason: it is damaged"));
    }
    const INSIDE: &str = "it ends inside the configuration";
    let length = read_number(file, INSIDE)?;
    let Some(rest) = optional.checked_sub(4).and_then(|optional| optional.checked_sub(length)) else {
        return Err(Error::SaveFile("its configuration is longer than the part it is in: it is damaged"));
    };
    let mut config = vec![0; length as usize];
    read(file, &mut config, INSIDE)?;
    let skipped = io::copy(&mut file.take(rest.into()), &mut io::sink()).map_err(cannot_read)?;
    if skipped != u64::from(rest) {
        return Err(Error::SaveFile(INSIDE));
    }
    let config = CStr::from_bytes_with_nul(&config).ok().and_then(|config| config.to_str().ok());
    config.map(str::to_owned).ok_or(Error::SaveFile("its configuration is no text: it is damaged"))
}

fn read_number(file: &mut impl Read, ends: &'static str) -> Result<u32, Error> {
    let mut number = [0; 4];
    read(file, &mut number, ends)?;
    Ok(u32::from_ne_bytes(number))
}

fn read(file: &mut impl Read, bytes: &mut [u8], ends: &'static str) -> Result<(), Error> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::SaveFile(ends),
        _ => cannot_read(error),
    })
}

fn cannot_read(reason: io::Error) -> Error {
    Error::Io { doing: "read the save file", reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;

    const BOTH: u32 = JSON | STREAM_V2;

    fn header(json: &str) -> Vec<u8> {
        let mut file = Vec::new();
        write_header(&mut file, json, Release::V4_6).expect("a vector takes everything");
        file
    }

    fn with_number(offset: usize, number: u32) -> Vec<u8> {
        let mut file = header("{}");
        file[offset..offset + 4].copy_from_slice(&number.to_ne_bytes());
        file
    }

    fn refusal(file: &[u8]) -> String {
        read_json(&mut &*file, BOTH).expect_err("it is no good file").to_string()
    }

    /// Byte for byte as `xl save` writes it, but for the JSON.
    #[test]
    fn a_header_is_laid_out_as_xl_does() {
        let mut expected = b"Xen saved domain, xl format\n \0 \r".to_vec();
        for number in [0x0102_0304_u32, 3, 0, 7, 3] {
            expected.extend(number.to_ne_bytes());
        }
        expected.extend(b"{}\0");
        assert_eq!(header("{}"), expected);
    }

    #[test]
    fn reading_a_header_leaves_the_file_where_the_stream_begins() {
        let path = std::env::temp_dir().join(format!("xenlight-save-file-{}", std::process::id()));
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
        std::fs::remove_file(&path).expect("it was made");
        let json = r#"{"c_info": {"name": "grüße"}}"#;
        write_header(&mut file, json, Release::V4_6).expect("it is open for writing");
        let begin = file.stream_position().expect("it is a file");
        file.write_all(b"stream").expect("it is open for writing");
        file.rewind().expect("it is a file");
        assert_eq!(read_json(&mut file, BOTH).expect("a good header"), json);
        assert_eq!(file.stream_position().expect("it is a file"), begin);
    }

    #[test]
    fn optional_data_after_the_configuration_are_skipped() {
        let mut file = header("{}");
        file[44..48].copy_from_slice(&12_u32.to_ne_bytes());
        file.extend(b"laterstream");
        let mut rest = &*file;
        assert_eq!(read_json(&mut rest, BOTH).expect("a good header"), "{}");
        assert_eq!(rest, b"stream");
        assert!(refusal(&file[..file.len() - 7]).contains("it ends inside"));
    }

    #[test]
    fn a_file_cut_anywhere_inside_the_header_is_refused() {
        let file = header("{}");
        for length in 0..file.len() {
            assert!(matches!(read_json(&mut &file[..length], BOTH), Err(Error::SaveFile(_))), "{length} bytes");
        }
    }

    #[test]
    fn what_xl_did_not_write_or_a_newer_one_did_is_refused() {
        assert!(refusal(&[0; 100]).contains("does not begin"));
        assert!(refusal(&with_number(32, 0x0403_0201)).contains("byte order"));
        assert!(refusal(&with_number(36, BOTH | 4)).contains("newer"));
        assert!(refusal(&with_number(36, STREAM_V2)).contains("not in JSON"));
        assert!(refusal(&with_number(36, JSON)).contains("version"));
        assert!(refusal(&with_number(44, 0)).contains("no configuration"));
        assert!(read_json(&mut &*with_number(40, 8), BOTH).is_ok(), "optional flags may be skipped");
    }

    #[test]
    fn e14_a_stream_that_libxl_would_end_the_process_over_is_refused() {
        let good = b"LibxlFmt\0\0\0\x02\0\0\0\0\x01\0\0\0\0\0\0\0";
        assert!(read_head(&mut &good[..]).is_ok());
        assert!(matches!(read_head(&mut &[7; 100][..]), Err(Error::SaveFile(_))));
        for at in [0, 11, 15, 16, 20] {
            let mut bad = *good;
            bad[at] ^= 1;
            assert!(matches!(read_head(&mut &bad[..]), Err(Error::SaveFile(_))), "byte {at}");
        }
        for length in 0..good.len() {
            assert!(matches!(read_head(&mut &good[..length]), Err(Error::SaveFile(_))), "{length} bytes");
        }
    }

    #[test]
    fn damaged_lengths_are_refused_before_anything_is_allocated() {
        assert!(refusal(&with_number(44, u32::MAX)).contains("beyond reason"));
        assert!(refusal(&with_number(48, u32::MAX)).contains("longer than the part"));
        assert!(refusal(&with_number(44, 3)).contains("longer than the part"));
        assert!(refusal(&with_number(48, 0)).contains("no text"));
        let mut file = header("{}");
        *file.last_mut().expect("the NUL byte") = b'x';
        assert!(refusal(&file).contains("no text"));
    }
}
