//! Linux as Xen boots it quickest: the ELF file from inside the compressed image, without its zeros.
//!
//! Xen and libxl could unpack the image themselves, but take seconds for it under emulation.

use std::io::Read;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// The ELF file inside `image`, a bzImage.
pub(crate) fn unpack(image: &[u8]) -> Result<Vec<u8>> {
    let payload = payload(image).context("not a Linux image as the x86 boot protocol has it")?;
    let mut kernel = decompress(payload).context("the Linux image cannot be unpacked")?;
    trim(&mut kernel).context("the Linux image holds no ELF file as expected")?;
    Ok(kernel)
}

/// Unpacks what is compressed in one of the ways that Debian's kernels and their modules are; a kernel has its size behind it,
/// in four bytes.
pub(crate) fn decompress(packed: &[u8]) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    match packed {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => XzReader::new(packed, false).read_to_end(&mut unpacked)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => StreamingDecoder::new(packed)?.read_to_end(&mut unpacked)?,
        [0x1f, 0x8b, ..] => GzDecoder::new(packed).read_to_end(&mut unpacked)?,
        // The older format, which has no end of its own: the size would be taken for another block.
        [0x02, 0x21, 0x4c, 0x18, .., _, _, _, _] => {
            FrameDecoder::new(&packed[..packed.len() - 4]).read_to_end(&mut unpacked)?
        }
        _ => {
            let begin = &packed[..packed.len().min(6)];
            bail!("it begins with {begin:02x?}, which is none of xz, zstd, gzip and lz4");
        }
    };
    Ok(unpacked)
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

    /// [`WORDS`] as `xz --check=crc32`, `zstd -19`, `gzip -9` and `lz4 -l` compress them, with the size that a kernel has behind it.
    const PACKED: [(&str, &[u8]); 4] = [
        (
            "xz",
            b"\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\xe0\x00\
              \x39\x00\x11\x5d\x00\x30\x88\x09\x66\x94\x53\x74\xb6\x71\x69\xd8\xdc\xd2\x9e\x05\x80\x00\x00\x00\x00\x00\
              \x26\xda\x62\xdc\x00\x01\x29\x3a\x72\xf3\xcc\xa2\x90\x42\x99\x0d\x01\x00\x00\x00\x00\x01\x59\x5a\x3a\x00\
              \x00\x00",
        ),
        (
            "zstd",
            b"\x28\xb5\x2f\xfd\x04\x68\x85\x00\x00\x50\x61\x20\x6b\x65\x72\x6e\x65\x6c\x2c\x20\x01\x00\x35\x2a\x48\x86\
              \x12\x55\xfe\x3a\x00\x00\x00",
        ),
        (
            "gzip",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x54\xc8\x4e\x2d\xca\x4b\xcd\xd1\x51\x48\x24\x91\x05\x00\x26\
              \xda\x62\xdc\x3a\x00\x00\x00\x3a\x00\x00\x00",
        ),
        (
            "lz4",
            b"\x02\x21\x4c\x18\x14\x00\x00\x00\xaf\x61\x20\x6b\x65\x72\x6e\x65\x6c\x2c\x20\x0a\x00\x18\x50\x65\x72\x6e\
              \x65\x6c\x3a\x00\x00\x00",
        ),
    ];
    const WORDS: &[u8] = b"a kernel, a kernel, a kernel, a kernel, a kernel, a kernel";

    #[test]
    fn each_compression_of_debians_kernels_is_read() {
        for (format, packed) in PACKED {
            assert_eq!(decompress(packed).unwrap(), WORDS, "{format}");
            let torn = decompress(&packed[..packed.len() / 2]);
            assert!(torn.is_err() || torn.is_ok_and(|unpacked| unpacked != WORDS), "{format}");
        }
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(unpack(&[0; 100]).is_err());
        let mut image = vec![0; 0x1000];
        image[0x24c] = 64;
        let error = format!("{:#}", unpack(&image).unwrap_err());
        assert!(error.contains("none of xz, zstd, gzip and lz4"), "{error}");
    }
}
