//! ELF files for x86-64, without sections: a header, what is loaded, and perhaps notes.

/// Where our own kernels are loaded.
pub(crate) const BASE: u64 = 0x10_0000;

/// ELF header and two program headers, rounded up; the code follows.
pub(crate) const HEAD: usize = 64 + 2 * 56 + 16;

/// What there is beside the code.
pub(crate) enum Segments<'a> {
    /// Nothing: a program for Linux.
    Code,
    /// Notes, made by a function of the entry point: a kernel for Xen.
    WithNotes(&'a dyn Fn(u64) -> Vec<u8>),
}

/// A file that is loaded at `base` as a whole, to be read, written and executed, and entered where the code begins.
pub(crate) fn file(base: u64, code: &[u8], segments: Segments<'_>) -> Vec<u8> {
    let entry = base + HEAD as u64;
    let notes = match segments {
        Segments::Code => Vec::new(),
        Segments::WithNotes(notes) => notes(entry),
    };
    let notes_at = HEAD + code.len();
    let size = (notes_at + notes.len()) as u64;

    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    extend_u16(&mut file, &[2, 62]); // ET_EXEC, x86-64
    extend_u32(&mut file, &[1]);
    extend_u64(&mut file, &[entry, 64, 0]); // entry, program headers, section headers
    extend_u32(&mut file, &[0]);
    let headers = if notes.is_empty() { 1 } else { 2 };
    extend_u16(&mut file, &[64, 56, headers, 0, 0, 0]);

    extend_u32(&mut file, &[1, 7]); // PT_LOAD: read, write, execute
    extend_u64(&mut file, &[0, base, base, size, size, 0x1000]);
    if !notes.is_empty() {
        let (at, length) = (notes_at as u64, notes.len() as u64);
        extend_u32(&mut file, &[4, 4]); // PT_NOTE
        extend_u64(&mut file, &[at, base + at, base + at, length, length, 4]);
    }

    file.resize(HEAD, 0);
    file.extend(code);
    file.extend(notes);
    file
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
