//! `osevent-xenstored`: the stand-in for xenstored as a program of its own.

use std::{
    io::{self, Read, Write},
    mem::MaybeUninit,
    path::PathBuf,
    process::ExitCode,
    ptr, thread,
};

use clap::Parser;
use osevent_standin_xenstored::Server;

/// A stand-in for xenstored, without Xen. Prints "ready" once it listens; ends on SIGTERM or SIGINT.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The unix socket to serve: what clients have in XENSTORED_PATH.
    #[arg(long)]
    socket: PathBuf,
    /// Play the backend drivers: a backend asked to close (state 5) is closed (6) at once.
    #[arg(long)]
    auto_close_backends: bool,
    /// End when standard input ends, too: with whoever holds the other end of the pipe.
    #[arg(long)]
    exit_with_stdin: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before any thread is started, so that all of them inherit it.
    let ending = block_signals();
    let server = match Server::bind(&arguments.socket) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("osevent-xenstored: {error}");
            return ExitCode::from(2);
        }
    };
    server.auto_close_backends(arguments.auto_close_backends);
    if arguments.exit_with_stdin {
        thread::spawn(|| {
            // An error ends the input as well.
            let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
            // SAFETY: a signal to ourselves, which main waits for.
            unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
        });
    }
    // Nobody may be there to read it.
    let _ = writeln!(io::stdout(), "ready").and_then(|()| io::stdout().flush());
    let mut signal = 0;
    // SAFETY: the set is initialised and both pointers outlive the call.
    unsafe { libc::sigwait(&ending, &mut signal) };
    server.shutdown();
    ExitCode::SUCCESS
}

/// Blocks the signals that end the program, for sigwait.
fn block_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: initialises the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised a line ago.
    let mut set = unsafe { set.assume_init() };
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: the set is initialised, the signal a real one.
        unsafe { libc::sigaddset(&mut set, signal) };
    }
    // SAFETY: the set is initialised; the old mask is not wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut()) };
    set
}
