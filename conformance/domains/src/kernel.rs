//! Kernels of a handful of instructions each, in ELF files that are written byte by byte.

use crate::elf::{BASE, Segments, file};

/// A kernel that sleeps for ever, for PV and PVH domains. In a PV domain it repeats `SCHEDOP_poll` on no event channel, without
/// a time limit; in a PVH domain it halts the processor.
///
/// It needs 4 MB, and does not answer `xl shutdown`.
pub fn idle() -> Vec<u8> {
    const SCHEDOP_POLL: u8 = 3;
    const STI: u8 = 0xfb;
    kernel("idle", &sched_op(SCHEDOP_POLL), &halt(STI))
}

/// A kernel that powers its domain off at once, for PV and PVH domains. In a PV domain it calls `SCHEDOP_shutdown` with reason 0;
/// in a PVH domain it halts without interrupts, which Xen treats as a power-off. It needs 4 MB.
pub fn poweroff() -> Vec<u8> {
    const SCHEDOP_SHUTDOWN: u8 = 2;
    const CLI: u8 = 0xfa;
    kernel("poweroff", &sched_op(SCHEDOP_SHUTDOWN), &halt(CLI))
}

/// A kernel that answers `xl shutdown` and can be saved and restored, like an operating system, for PVH domains. It needs 4 MB,
/// and prints [`UP`](crate::UP) on the console.
#[cfg(target_arch = "x86_64")]
pub fn answering() -> Vec<u8> {
    let notes = |entry| notes("answering", &[(PHYS32_ENTRY, number(entry))]);
    file(BASE, &crate::answering::code(), Segments::WithNotes(&notes))
}

/// `interrupts`, sti or cli, and halts for ever.
fn halt(interrupts: u8) -> [u8; 4] {
    [interrupts, 0xf4, 0xeb, 0xfd] // hlt, jmp to it
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

/// An ELF file that Xen starts as a 64-bit kernel in a PV domain, at `pv`, and as a 32-bit one in a PVH domain, at `pvh`.
fn kernel(name: &str, pv: &[u8], pvh: &[u8]) -> Vec<u8> {
    let notes = |entry| {
        notes(
            name,
            &[
                (1, number(entry)), // XEN_ELFNOTE_ENTRY
                (3, number(0)),     // XEN_ELFNOTE_VIRT_BASE
                (4, number(0)),     // XEN_ELFNOTE_PADDR_OFFSET
                (9, text("yes")),   // XEN_ELFNOTE_PAE_MODE
                (PHYS32_ENTRY, number(entry + pv.len() as u64)),
            ],
        )
    };
    file(BASE, &[pv, pvh].concat(), Segments::WithNotes(&notes))
}

/// XEN_ELFNOTE_PHYS32_ENTRY: where a PVH domain is entered.
const PHYS32_ENTRY: u32 = 18;

fn number(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// What Xen wants to know about a kernel, from its `public/elfnote.h`: the same of all, and `own`.
fn notes(system: &str, own: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let common = [
        (5, text("xen-3.0")), // XEN_ELFNOTE_XEN_VERSION
        (6, text(system)),    // XEN_ELFNOTE_GUEST_OS
        (8, text("generic")), // XEN_ELFNOTE_LOADER
    ];
    let mut bytes = Vec::new();
    for (kind, value) in common.iter().chain(own) {
        bytes.extend([4, value.len() as u32, *kind].iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(b"Xen\0");
        bytes.extend(value);
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
        assert_eq!(kinds, [5, 6, 8, 1, 3, 4, 9, 18]);
        assert_eq!(notes[1].1, b"poweroff\0");
        assert_eq!(notes[3].1, file.ehdr.e_entry.to_le_bytes());
        let pvh = u64::from_le_bytes(notes[7].1[..].try_into().unwrap());
        assert_eq!(bytes[(pvh - BASE) as usize..][..4], [0xfa, 0xf4, 0xeb, 0xfd]);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn answering_kernel_leaves_the_pages_behind_its_code_to_xen_and_its_data() {
        let bytes = answering();
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).unwrap();
        assert_eq!(bytes[(file.ehdr.e_entry - BASE) as usize], 0xfc, "cld comes first");
        assert_eq!(bytes[0x1000..0x3000], [0; 0x2000]);
        let code = bytes[..0x1000].iter().rposition(|byte| *byte != 0).unwrap();
        assert!((0x200..0xf00).contains(&code), "{code:#x}");
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
