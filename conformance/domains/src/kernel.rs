//! Kernels of a handful of instructions each, in ELF files that are written byte by byte.

use crate::elf::{Segments, file};

/// A kernel that sleeps for ever: `SCHEDOP_poll` on no event channel, without a time limit, again and again.
///
/// It needs 4 MB, and does not answer `xl shutdown`.
pub fn idle() -> Vec<u8> {
    const SCHEDOP_POLL: u8 = 3;
    kernel("idle", &sched_op(SCHEDOP_POLL))
}

/// A kernel that powers its domain off at once: `SCHEDOP_shutdown` with reason 0. It needs 4 MB.
pub fn poweroff() -> Vec<u8> {
    const SCHEDOP_SHUTDOWN: u8 = 2;
    kernel("poweroff", &sched_op(SCHEDOP_SHUTDOWN))
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

/// Where a kernel is loaded.
const BASE: u64 = 0x10_0000;

/// An ELF file that Xen starts as a 64-bit paravirtual kernel.
fn kernel(name: &str, code: &[u8]) -> Vec<u8> {
    file(BASE, code, Segments::WithNotes(&|entry| notes(name, entry)))
}

/// What Xen wants to know about a kernel, from its `public/elfnote.h`.
fn notes(guest: &str, entry: u64) -> Vec<u8> {
    let number = |value: u64| value.to_le_bytes().to_vec();
    let text = |text: &str| [text.as_bytes(), b"\0"].concat();
    let notes = [
        (1, number(entry)),   // XEN_ELFNOTE_ENTRY
        (3, number(0)),       // XEN_ELFNOTE_VIRT_BASE
        (4, number(0)),       // XEN_ELFNOTE_PADDR_OFFSET
        (5, text("xen-3.0")), // XEN_ELFNOTE_XEN_VERSION
        (6, text(guest)),     // XEN_ELFNOTE_GUEST_OS
        (8, text("generic")), // XEN_ELFNOTE_LOADER
        (9, text("yes")),     // XEN_ELFNOTE_PAE_MODE
    ];
    let mut bytes = Vec::new();
    for (kind, value) in notes {
        bytes.extend([4, value.len() as u32, kind].iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(b"Xen\0");
        bytes.extend(&value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
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
