//! Runs one program in the lab's dom0 and tells the host, through an I/O port, what it writes and how it ends.
//!
//! `/init` starts it once Xen's user space is up. See `lab_frame` for what goes over the port.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lab_frame::{COMMAND_FILE, FETCH_FILE, Frame, PORT, PROGRAM_FOLDER};

fn main() -> io::Result<()> {
    let port = Arc::new(Mutex::new(Port::open()?));
    send(&port, &Frame::Starting)?;
    let end = match run(&port) {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Frame::Exited(code as u8),
            (None, Some(signal)) => Frame::Signalled(signal as u8),
            (None, None) => unreachable!("wait reports only what has ended"),
        },
        Err(error) => Frame::NotStarted(error.to_string()),
    };
    for (place, path) in nul_ended(FETCH_FILE)?.iter().enumerate() {
        let place = place as u8;
        if let Err(error) = File::open(path).and_then(|file| send_file(&port, place, file)) {
            send(&port, &Frame::FileMissing(place, error.to_string()))?;
        }
    }
    send(&port, &end)
}

/// Runs the program to its end and relays its two outputs. What it leaves running gets a second to close them.
fn run(port: &Arc<Mutex<Port>>) -> io::Result<ExitStatus> {
    let mut words = nul_ended(COMMAND_FILE)?.into_iter();
    let program = words.next().ok_or_else(|| io::Error::other("no program given"))?;
    let mut child = Command::new(program)
        .args(words)
        .current_dir(PROGRAM_FOLDER)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (closed, both_closed) = mpsc::channel();
    relay(child.stdout.take(), Frame::Stdout, port, closed.clone());
    relay(child.stderr.take(), Frame::Stderr, port, closed);
    let status = child.wait()?;
    while both_closed.recv_timeout(Duration::from_secs(1)).is_ok() {}
    Ok(status)
}

/// Sends all that comes out of `pipe`, from a thread of its own; sends to `closed` at its end.
fn relay<P: Read + Send + 'static>(
    pipe: Option<P>,
    frame: fn(Vec<u8>) -> Frame,
    port: &Arc<Mutex<Port>>,
    closed: Sender<()>,
) {
    let port = Arc::clone(port);
    let mut pipe = pipe.expect("the program's outputs are pipes");
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            if send(&port, &frame(buffer[..length].to_vec())).is_err() {
                break;
            }
        }
        // Nobody listens any more when the second is over.
        let _ = closed.send(());
    });
}

fn send_file(port: &Mutex<Port>, place: u8, mut file: File) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match file.read(&mut buffer)? {
            0 => return send(port, &Frame::FileEnd(place)),
            length => send(port, &Frame::FileBytes(place, buffer[..length].to_vec()))?,
        }
    }
}

fn send(port: &Mutex<Port>, frame: &Frame) -> io::Result<()> {
    frame.write_to(&mut *port.lock().unwrap_or_else(PoisonError::into_inner))
}

fn nul_ended(path: &str) -> io::Result<Vec<OsString>> {
    let bytes = fs::read(path)?;
    let words = bytes.split_inclusive(|byte| *byte == 0);
    Ok(words.map(|word| OsString::from_vec(word[..word.len() - 1].to_vec())).collect())
}

/// The right to write to [`PORT`].
struct Port(());

impl Port {
    /// Asks the kernel for the port: for this thread and those that it starts later.
    fn open() -> io::Result<Port> {
        // SAFETY: ioperm only takes numbers. The port is the debug console of the machine that the lab made for this
        // program, and nothing else in dom0 uses it, for as long as the machine lives.
        if unsafe { libc::ioperm(PORT.into(), 1, 1) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Port(()))
    }
}

impl Write for Port {
    /// Hands over a whole buffer with one instruction: Xen carries it out in one trap, which is what makes this
    /// quicker than a serial line.
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = buffer.len().min(4096);
        // SAFETY: `length` bytes from the start of `buffer` are readable for the whole call; the instruction reads
        // them, changes rsi and rcx, which are marked so, and needs the direction flag clear, as the ABI has it.
        // `open` got the right to the port, and the threads that write were started after.
        unsafe {
            std::arch::asm!(
                "rep outsb",
                in("dx") PORT,
                inout("rsi") buffer.as_ptr() => _,
                inout("rcx") length => _,
                options(nostack, preserves_flags, readonly),
            );
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
