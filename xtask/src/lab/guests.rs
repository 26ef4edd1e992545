//! The domains that wait in dom0 to be created: two tiny ones without an operating system, and a Linux.
//!
//! Each is a file for `xl create` in dom0:
//!
//! | file | what it does | answers `xl shutdown` |
//! |---|---|---|
//! | `/lab/idle.cfg` | sleeps for ever; 4 MB | no |
//! | `/lab/poweroff.cfg` | powers itself off as soon as it runs; 4 MB | ends before |
//! | `/lab/linux.cfg` | Linux with busybox in a ramdisk; says `lab: up` on its console; 128 MB | powers off |
//!
//! The kernel of a tiny domain is a handful of instructions in an ELF file, written here byte by byte.

use anyhow::Result;

use super::archive::Archive;

/// A configuration for each, by its path in dom0.
pub(crate) const CONFIGS: [(&str, &str); 3] = [
    ("/lab/idle.cfg", "name = \"idle\"\ntype = \"pv\"\nkernel = \"/lab/idle\"\nmemory = 4\nvcpus = 1\n"),
    ("/lab/poweroff.cfg", "name = \"poweroff\"\ntype = \"pv\"\nkernel = \"/lab/poweroff\"\nmemory = 4\nvcpus = 1\n"),
    (
        "/lab/linux.cfg",
        "name = \"linux\"\ntype = \"pv\"\nkernel = \"/lab/linux\"\nramdisk = \"/lab/linux.cpio\"\n\
         cmdline = \"console=hvc0 quiet\"\nmemory = 128\nvcpus = 1\n",
    ),
];

/// A kernel that sleeps for ever: `SCHEDOP_poll` on no event channel, without a time limit, again and again.
pub(crate) fn idle() -> Vec<u8> {
    const SCHEDOP_POLL: u8 = 3;
    elf("idle", &sched_op(SCHEDOP_POLL))
}

/// A kernel that powers its domain off at once: `SCHEDOP_shutdown` with reason 0.
pub(crate) fn poweroff() -> Vec<u8> {
    const SCHEDOP_SHUTDOWN: u8 = 2;
    elf("poweroff", &sched_op(SCHEDOP_SHUTDOWN))
}

/// The ramdisk of the Linux domain. Its kernel runs `/sbin/poweroff` when `xl shutdown` asks for it.
pub(crate) fn linux_ramdisk(busybox: &[u8]) -> Result<Vec<u8>> {
    const INIT: &[u8] = b"#!/bin/busybox sh\n\
        /bin/busybox mount -t proc proc /proc\n\
        echo lab: up\n\
        while :; do /bin/busybox sleep 1000; done\n";
    const POWEROFF: &[u8] = b"#!/bin/busybox sh\n/bin/busybox poweroff -f\n";
    let mut archive = Archive::new(Vec::new());
    for folder in ["bin", "dev", "proc", "sbin"] {
        archive.folder(folder)?;
    }
    archive.file("bin/busybox", true, busybox)?;
    archive.file("init", true, INIT)?;
    archive.file("sbin/poweroff", true, POWEROFF)?;
    archive.finish()
}

/// A loop around one hypercall whose argument, 24 bytes behind the code, is all zeros.
fn sched_op(operation: u8) -> Vec<u8> {
    const SCHED_OP: u8 = 29;
    let mut code = vec![
        0xb8, SCHED_OP, 0, 0, 0, // mov $29, %eax
        0xbf, operation, 0, 0, 0, // mov $operation, %edi
        0x48, 0x8d, 0x35, 7, 0, 0, 0, // lea 7(%rip), %rsi
        0x0f, 0x05, // syscall
        0xeb, 0xeb, // jmp to the first
    ];
    code.resize(24, 0);
    code.extend([0; 24]);
    code
}

/// The address at which a tiny kernel is loaded and, [`HEAD`] later, entered.
const BASE: u64 = 0x10_0000;
/// ELF header and two program headers, rounded up; the code follows.
const HEAD: usize = 64 + 2 * 56 + 16;

/// An ELF file that Xen starts as a 64-bit paravirtual kernel.
fn elf(name: &str, code: &[u8]) -> Vec<u8> {
    let notes = notes(name);
    let notes_at = HEAD + code.len();
    let size = notes_at + notes.len();

    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    extend_u16(&mut file, &[2, 62]); // ET_EXEC, x86-64
    extend_u32(&mut file, &[1]);
    extend_u64(&mut file, &[BASE + HEAD as u64, 64, 0]); // entry, program headers, section headers
    extend_u32(&mut file, &[0]);
    extend_u16(&mut file, &[64, 56, 2, 0, 0, 0]);

    extend_u32(&mut file, &[1, 7]); // PT_LOAD: the whole file, read, write, execute
    extend_u64(&mut file, &[0, BASE, BASE, size as u64, size as u64, 0x1000]);
    extend_u32(&mut file, &[4, 4]); // PT_NOTE
    let notes_address = BASE + notes_at as u64;
    extend_u64(&mut file, &[notes_at as u64, notes_address, notes_address, notes.len() as u64, notes.len() as u64, 4]);

    file.resize(HEAD, 0);
    file.extend(code);
    file.extend(notes);
    file
}

/// What Xen wants to know about a kernel, from its `public/elfnote.h`.
fn notes(guest: &str) -> Vec<u8> {
    let number = |value: u64| value.to_le_bytes().to_vec();
    let text = |text: &str| [text.as_bytes(), b"\0"].concat();
    let notes = [
        (1, number(BASE + HEAD as u64)), // XEN_ELFNOTE_ENTRY
        (3, number(0)),                  // XEN_ELFNOTE_VIRT_BASE
        (4, number(0)),                  // XEN_ELFNOTE_PADDR_OFFSET
        (5, text("xen-3.0")),            // XEN_ELFNOTE_XEN_VERSION
        (6, text(guest)),                // XEN_ELFNOTE_GUEST_OS
        (8, text("generic")),            // XEN_ELFNOTE_LOADER
        (9, text("yes")),                // XEN_ELFNOTE_PAE_MODE
    ];
    let mut bytes = Vec::new();
    for (kind, value) in notes {
        extend_u32(&mut bytes, &[4, value.len() as u32, kind]);
        bytes.extend(b"Xen\0");
        bytes.extend(&value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn extend_u16(bytes: &mut Vec<u8>, numbers: &[u16]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn extend_u32(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn extend_u64(bytes: &mut Vec<u8>, numbers: &[u64]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use elf::ElfBytes;
    use elf::abi::{PT_LOAD, PT_NOTE};
    use elf::endian::LittleEndian;
    use elf::note::Note;

    use super::*;

    #[test]
    fn tiny_kernel_is_entered_at_its_code() {
        let bytes = idle();
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).unwrap();
        let load = file.segments().unwrap().get(0).unwrap();
        assert_eq!(load.p_type, PT_LOAD);
        assert_eq!(load.p_filesz, bytes.len() as u64);
        let entry = (file.ehdr.e_entry - load.p_vaddr) as usize;
        assert_eq!(bytes[entry..][..2], [0xb8, 29]);
    }

    #[test]
    fn tiny_kernel_has_every_note_that_xen_needs() {
        let bytes = poweroff();
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).unwrap();
        let segment = file.segments().unwrap().get(1).unwrap();
        assert_eq!(segment.p_type, PT_NOTE);
        let notes = file.segment_data_as_notes(&segment).unwrap();
        let notes: Vec<(u64, Vec<u8>)> = notes
            .map(|note| match note {
                Note::Unknown(note) => {
                    assert_eq!(note.name, b"Xen\0");
                    (note.n_type, note.desc.to_vec())
                }
                other => panic!("not a note of Xen: {other:?}"),
            })
            .collect();
        let kinds: Vec<u64> = notes.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [1, 3, 4, 5, 6, 8, 9]);
        assert_eq!(notes[0].1, file.ehdr.e_entry.to_le_bytes());
        assert_eq!(notes[4].1, b"poweroff\0");
    }

    #[test]
    fn hypercall_argument_is_zeros_inside_the_file() {
        let code = sched_op(2);
        // lea's operand counts from the next instruction, 17 bytes in.
        let argument = 17 + code[13] as usize;
        assert_eq!(code[argument..argument + 24], [0; 24]);
        // The jump, 21 bytes in at its end, goes back to the start.
        assert_eq!(21 + i32::from(code[20] as i8), 0);
    }
}
