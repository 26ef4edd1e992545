//! QEMU's monitor, which tells where the processors of a machine that stands still are.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The monitor's socket, in the machine's folder.
pub(crate) const SOCKET: &str = "monitor";

/// Where each processor stands, a few times in a row; or why that is not known.
pub(crate) fn processors(folder: &Path) -> String {
    match ask(folder) {
        Ok(words) => shown(&words),
        Err(error) => format!("QEMU's monitor does not answer ({error})"),
    }
}

/// Three looks: a processor that spins shows where.
fn ask(folder: &Path) -> io::Result<String> {
    const LOOKS: usize = 3;
    const PROMPT: &str = "(qemu) ";
    // The path of a socket has 107 bytes at most, and the folder can lie deeper than that.
    let folder = File::open(folder)?;
    let mut monitor = UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))?;
    monitor.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut words = String::new();
    // A prompt comes first, and one after each answer.
    while words.matches(PROMPT).count() <= LOOKS {
        if words.ends_with(PROMPT) {
            // Between two looks, so that they show whether it moves.
            thread::sleep(Duration::from_millis(100));
            monitor.write_all(b"info registers -a\n")?;
        }
        let mut bytes = [0; 4096];
        match monitor.read(&mut bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => words.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
    Ok(words)
}

/// `processor 0 at … (Xen), … (dom0's kernel); processor 1 at …`.
fn shown(words: &str) -> String {
    let mut places: Vec<Vec<String>> = Vec::new();
    let mut processor = 0;
    for line in words.lines() {
        if let Some(number) = line.trim().strip_prefix("CPU#").and_then(|number| number.trim().parse().ok()) {
            processor = number;
        } else if let Some(rip) = line.trim().strip_prefix("RIP=").or(line.trim().strip_prefix("EIP=")) {
            // EIP: a processor that has not been started is in a mode of 16 bits.
            let address = rip.split(' ').next().unwrap_or_default();
            places.resize_with(places.len().max(processor + 1), Vec::new);
            places[processor].push(format!("{address} ({})", owner(address)));
        }
    }
    let processors = places.iter().enumerate().map(|(number, at)| format!("processor {number} at {}", at.join(", ")));
    processors.collect::<Vec<_>>().join("; ")
}

/// Whose code lies there: Xen's text and that of a 64-bit Linux are always in the same regions.
fn owner(address: &str) -> &'static str {
    match address {
        _ if address.starts_with("ffff82d") => "Xen",
        _ if address.starts_with("ffffffff") => "dom0's kernel",
        _ => "elsewhere",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn folder_whose_path_is_longer_than_a_sockets_may_be_is_no_hindrance() {
        let short = std::env::temp_dir().join(format!("monitor-{}", std::process::id()));
        let folder = short.join("long".repeat(50));
        fs::create_dir_all(&folder).unwrap();
        let listener = UnixListener::bind(short.join(SOCKET)).unwrap();
        fs::rename(short.join(SOCKET), folder.join(SOCKET)).unwrap();
        let monitor = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for look in 0..3 {
                stream.write_all(b"(qemu) ").unwrap();
                let mut asked = [0; 18];
                stream.read_exact(&mut asked).unwrap();
                write!(stream, "CPU#0\r\nRIP=000000000000000{look} RFL=0\r\n").unwrap();
            }
            stream.write_all(b"(qemu) ").unwrap();
        });
        let told = processors(&folder);
        fs::remove_dir_all(&short).unwrap();
        assert_eq!(
            told,
            "processor 0 at 0000000000000000 (elsewhere), 0000000000000001 (elsewhere), 0000000000000002 (elsewhere)"
        );
        monitor.join().unwrap();
    }

    #[test]
    fn each_look_at_each_processor_is_told_with_whose_code_it_is() {
        let look = "info registers -a\r\n\r\nCPU#0\r\nRAX=1\r\nRIP=ffffffff81a48df7 RFL=00000206\r\nCPU#1\r\n\
                    RIP=ffff82d0402f81e4 RFL=00000046\r\n(qemu) ";
        let told = shown(&format!("QEMU 7.2 monitor\r\n(qemu) {look}{}", look.replace("81a48df7", "81c011f9")));
        assert_eq!(
            told,
            "processor 0 at ffffffff81a48df7 (dom0's kernel), ffffffff81c011f9 (dom0's kernel); \
             processor 1 at ffff82d0402f81e4 (Xen), ffff82d0402f81e4 (Xen)"
        );
    }
}
