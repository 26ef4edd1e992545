//! Linux as Xen boots it quickest: the ELF file from inside the compressed image, without its zeros.
//!
//! Xen and libxl could unpack the image themselves, but take seconds for it under emulation.

use std::io::Read;

use anyhow::{Context, Result, bail};
use lzma_rust2::XzReader;

/// The ELF file inside `image`, a bzImage compressed with xz.
pub(crate) fn unpack(image: &[u8]) -> Result<Vec<u8>> {
    let payload = payload(image).context("not a Linux image as the x86 boot protocol has it")?;
    if !payload.starts_with(b"\xfd7zXZ\0") {
        bail!("this Linux image is not compressed with xz, which is all that the lab can unpack");
    }
    let mut kernel = Vec::new();
    XzReader::new(payload, false).read_to_end(&mut kernel)?;
    trim(&mut kernel).context("the Linux image holds no ELF file as expected")?;
    Ok(kernel)
}

/// The compressed part: the boot protocol's `payload_offset` counts from behind the set-up sectors.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let set_up = (usize::from(*image.get(0x1f1)?) + 1) * 512;
    let start = set_up + u32_at(image, 0x248)? as usize;
    let length = u32_at(image, 0x24c)? as usize;
    image.get(start..start.checked_add(length)?)
}

/// Cuts the zeros off the end of the last segment, a third of the file: whoever loads it fills them in by the
/// segment's size in memory. The section headers, which lie behind, are for debuggers only and go as well.
fn trim(kernel: &mut Vec<u8>) -> Option<()> {
    const PT_LOAD: u32 = 1;
    let headers = u64_at(kernel, 0x20)? as usize;
    let count = usize::from(u16_at(kernel, 0x38)?);
    let mut last = None;
    for header in (0..count).map(|i| headers + i * 56) {
        let offset = u64_at(kernel, header + 8)? as usize;
        if u32_at(kernel, header)? == PT_LOAD && last.is_none_or(|(_, furthest)| offset > furthest) {
            last = Some((header, offset));
        }
    }
    let (header, offset) = last?;
    let size = u64_at(kernel, header + 32)? as usize;
    let segment = kernel.get(offset..offset.checked_add(size)?)?;
    let kept = segment.iter().rposition(|byte| *byte != 0)? + 1;
    kernel.truncate(offset + kept);
    kernel[header + 32..header + 40].copy_from_slice(&(kept as u64).to_le_bytes());
    kernel[0x28..0x30].fill(0); // e_shoff
    kernel[0x3c..0x40].fill(0); // e_shnum, e_shstrndx
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use elf::ElfBytes;
    use elf::endian::LittleEndian;

    use super::*;

    #[test]
    fn trailing_zeros_go_and_the_size_in_memory_stays() {
        let mut kernel = osevent_domains::kernel::idle();
        let length = kernel.len();
        let segment = |file: &[u8]| {
            let file = ElfBytes::<LittleEndian>::minimal_parse(file).unwrap();
            file.segments().unwrap().get(0).unwrap()
        };
        let before = segment(&kernel);
        // 100 zeros more in the only segment, and what stands for section headers behind them.
        kernel.extend([0; 100]);
        kernel.extend([1; 64]);
        kernel[64 + 32..64 + 40].copy_from_slice(&(before.p_filesz + 100).to_le_bytes());
        trim(&mut kernel).unwrap();
        let after = segment(&kernel);
        assert!(after.p_filesz <= before.p_filesz);
        assert!(kernel.len() <= length);
        assert_eq!(after.p_memsz, before.p_memsz);
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(unpack(&[0; 100]).is_err());
        let mut image = vec![0; 0x1000];
        image[0x24c] = 64;
        let error = unpack(&image).unwrap_err();
        assert!(error.to_string().contains("not compressed with xz"));
    }
}
