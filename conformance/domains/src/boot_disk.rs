//! A disk that a PC's firmware boots, for HVM domains.

/// A disk of 1 MiB whose boot sector writes a dot to the first serial port at each interrupt of the PC's timer, 18.2 a second, for ever.
///
/// So it shows for as long as it runs that it does. It needs no memory but the firmware's, and does not answer `xl shutdown`.
pub fn boot_disk() -> Vec<u8> {
    const SECTOR: usize = 512;
    let mut disk = vec![
        0xfb, // sti
        0xba, 0xf8, 0x03, // mov $0x3f8, %dx
        0xb0, b'.', // mov $'.', %al
        0xf4, // hlt
        0xee, // out %al, (%dx)
        0xeb, 0xfc, // jmp to the hlt
    ];
    disk.resize(SECTOR - 2, 0);
    // The firmware's sign that a sector can be booted.
    disk.extend([0x55, 0xaa]);
    disk.resize(1 << 20, 0);
    disk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_takes_the_first_sector_for_a_boot_sector() {
        let disk = boot_disk();
        assert_eq!((disk.len() % 512, &disk[510..512]), (0, &[0x55, 0xaa][..]));
    }

    #[test]
    fn code_repeats_the_halt_and_the_write() {
        let disk = boot_disk();
        let jump = disk.iter().position(|&byte| byte == 0xeb).unwrap();
        let target = (jump as isize + 2 + isize::from(disk[jump + 1] as i8)) as usize;
        assert_eq!(disk[target..jump], [0xf4, 0xee]);
    }
}
