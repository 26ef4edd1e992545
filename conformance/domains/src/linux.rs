//! What a Linux kernel needs to be a domain: a ramdisk with two programs of a few instructions each.

use crate::archive::Archive;
use crate::elf::{Segments, file};
use std::io;

/// The line that the first program of [`ramdisk`] prints on the console when Linux has booted.
pub const UP: &str = "linux: up";

/// The command line of the kernel for this ramdisk.
pub const COMMAND_LINE: &str = "console=hvc0 quiet";

/// A ramdisk for any x86-64 Linux. Its `/init` prints [`UP`] and sleeps for ever. Its `/sbin/poweroff`, which Linux runs on
/// `xl shutdown`, powers off. With a Debian kernel, the domain needs 128 MB.
///
/// # Errors
/// None in practice, because it is written to memory.
pub fn ramdisk() -> io::Result<Vec<u8>> {
    let mut archive = Archive::new(Vec::new());
    for folder in ["dev", "sbin"] {
        archive.folder(folder)?;
    }
    archive.file("init", true, &program(&init()))?;
    archive.file("sbin/poweroff", true, &program(&poweroff()))?;
    archive.finish()
}

/// Where Linux programs are loaded.
const BASE: u64 = 0x40_0000;

fn program(code: &[u8]) -> Vec<u8> {
    file(BASE, code, Segments::Code)
}

/// write(1, UP), then pause() for ever.
fn init() -> Vec<u8> {
    let text = format!("{UP}\n");
    let length = text.len() as u8;
    let mut code = vec![
        0xb8, 1, 0, 0, 0, // mov $1, %eax (write)
        0xbf, 1, 0, 0, 0, // mov $1, %edi
        0x48, 0x8d, 0x35, 16, 0, 0, 0, // lea 16(%rip), %rsi
        0xba, length, 0, 0, 0, // mov $length, %edx
        0x0f, 0x05, // syscall
        0xb8, 34, 0, 0, 0, // mov $34, %eax (pause)
        0x0f, 0x05, // syscall
        0xeb, 0xf7, // jmp to the mov before
    ];
    code.extend(text.as_bytes());
    code
}

/// reboot(…, RB_POWER_OFF), then exit(0).
fn poweroff() -> Vec<u8> {
    vec![
        0xb8, 169, 0, 0, 0, // mov $169, %eax (reboot)
        0xbf, 0xad, 0xde, 0xe1, 0xfe, // mov $0xfee1dead, %edi
        0xbe, 0x69, 0x19, 0x12, 0x28, // mov $0x28121969, %esi
        0xba, 0xdc, 0xfe, 0x21, 0x43, // mov $0x4321fedc, %edx (power off)
        0x0f, 0x05, // syscall
        0xb8, 60, 0, 0, 0, // mov $60, %eax (exit)
        0x31, 0xff, // xor %edi, %edi
        0x0f, 0x05, // syscall
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::OpenOptionsExt;
    use std::process::{Command, Stdio};

    #[test]
    fn init_says_that_linux_is_up_and_stays() {
        let path = std::env::temp_dir().join(format!("osevent-init-{}", std::process::id()));
        let mut written = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o700).open(&path).unwrap();
        io::Write::write_all(&mut written, &program(&init())).unwrap();
        drop(written);
        let started = Command::new(&path).stdout(Stdio::piped()).spawn();
        std::fs::remove_file(&path).unwrap();
        let mut child = started.unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, format!("{UP}\n"));
        assert!(child.try_wait().unwrap().is_none(), "the first program of a Linux must not end");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
