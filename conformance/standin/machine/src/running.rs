use crate::Failure;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A running program and its output. Dropping it ends the program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

/// For anything to happen: the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

impl Running {
    /// Starts the program with its output piped.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("its output is piped")?;
        let (sender, lines) = channel();
        // Ends with the output; nobody may be left to listen.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Self { child, lines })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program has printed this line.
    ///
    /// # Errors
    /// It ends without the line, or prints nothing for two minutes.
    pub fn says(&mut self, line: &str) -> Result<(), Failure> {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(said) if said == line => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Err(format!("it does not say {line:?}").into()),
                Err(RecvTimeoutError::Disconnected) => {
                    let errors = self.errors();
                    return Err(format!("it ends without saying {line:?}\n{errors}").into());
                }
            }
        }
    }

    /// Waits until the program has ended. It must have this exit code and no error output.
    ///
    /// # Errors
    /// It has another exit code or error output, or does not end within two minutes.
    pub fn ends_with(mut self, code: i32) -> Result<(), Failure> {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if started.elapsed() > LIMIT => return Err("it does not end".into()),
                None => thread::sleep(LOOK),
            }
        };
        let errors = self.errors();
        if status.code() != Some(code) || !errors.is_empty() {
            return Err(format!("{status}\n{errors}").into());
        }
        Ok(())
    }

    /// What it has written to its error output; it has ended.
    fn errors(&mut self) -> String {
        let mut errors = Vec::new();
        // What can be read of it is enough.
        let _ = self.child.stderr.take().map(|mut stderr| stderr.read_to_end(&mut errors));
        String::from_utf8_lossy(&errors).into_owned()
    }
}

/// Sends a process a signal, by its name without `SIG`.
///
/// # Errors
/// There is no such process, or no kill(1).
pub fn signal(process: u32, name: &str) -> Result<(), Failure> {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).status()?;
    if sent.success() { Ok(()) } else { Err(format!("kill: {sent}").into()) }
}

/// The same program with its errors in its output, where they can be waited for.
pub fn with_errors(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" "$@" 2>&1"#]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
