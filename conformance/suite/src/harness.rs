//! A test program without clap: the arguments of any Rust test, and its output.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// Which tests run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// List the tests instead of running them.
    pub list: bool,
    /// Only run tests whose names contain one of these. If empty, run all.
    pub filters: Vec<String>,
    /// The filters are whole names.
    pub exact: bool,
    /// Do not run tests whose names contain one of these.
    pub skip: Vec<String>,
    /// Only run ignored tests. There are none.
    pub ignored: bool,
    /// How many tests run at the same time. The default is the number of processors.
    pub threads: Option<usize>,
}

impl Arguments {
    /// Parses the arguments like libtest. Arguments about the output of tests have no effect.
    ///
    /// # Errors
    /// A message about an invalid argument.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (name, given) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (&*word, None),
            };
            let mut value = || given.clone().or_else(|| words.next()).ok_or(format!("{name} wants a value"));
            match name {
                "--list" => arguments.list = true,
                "--exact" => arguments.exact = true,
                "--ignored" => arguments.ignored = true,
                "--skip" => arguments.skip.push(value()?),
                "--test-threads" => {
                    let threads = value()?.parse().ok().filter(|threads| *threads > 0);
                    arguments.threads = Some(threads.ok_or("--test-threads wants a number above 0")?);
                }
                "--include-ignored" | "--nocapture" | "--no-capture" | "--show-output" | "--quiet" | "-q" => {}
                "--format" | "--color" | "--logfile" | "-Z" => _ = value()?,
                name if name.starts_with('-') => return Err(format!("unknown argument {name}")),
                _ => arguments.filters.push(word),
            }
        }
        Ok(arguments)
    }

    fn wants(&self, name: &str) -> bool {
        let filter = |filter: &String| if self.exact { name == filter } else { name.contains(&**filter) };
        !self.ignored
            && (self.filters.is_empty() || self.filters.iter().any(filter))
            && !self.skip.iter().any(|skip| if self.exact { name == skip } else { name.contains(&**skip) })
    }
}

/// How a test ended.
pub(crate) enum Ended {
    Passed,
    Ignored(String),
    Failed(String),
}

/// One test.
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) run: Box<dyn Fn() -> Ended + Send + Sync>,
}

/// Runs those that are wanted, and prints a line for each as it ends, and in the end why they failed.
pub(crate) fn run(arguments: &Arguments, mut trials: Vec<Trial>) -> ExitCode {
    let all = trials.len();
    trials.retain(|trial| arguments.wants(&trial.name));
    if arguments.list {
        trials.iter().for_each(|trial| println!("{}: test", trial.name));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", trials.len());
    let begun = Instant::now();
    let usual = || thread::available_parallelism().map_or(1, usize::from);
    let (next, ended) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..arguments.threads.unwrap_or_else(usual) {
            scope.spawn(|| {
                // Relaxed: each number is handed out once, that is all.
                while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let end = (trial.run)();
                    let mut ended = ended.lock().expect("no holder panics");
                    match &end {
                        Ended::Passed => println!("test {} ... ok", trial.name),
                        Ended::Ignored(why) => println!("test {} ... ignored, {why}", trial.name),
                        Ended::Failed(_) => println!("test {} ... FAILED", trial.name),
                    }
                    ended.push((&*trial.name, end));
                }
            });
        }
    });
    let ended = ended.into_inner().expect("no holder panics");
    let mut failed: Vec<_> = ended
        .iter()
        .filter_map(|(name, end)| if let Ended::Failed(why) = end { Some((name, why)) } else { None })
        .collect();
    failed.sort();
    if !failed.is_empty() {
        println!("\nfailures:\n");
        failed.iter().for_each(|(name, why)| println!("---- {name} ----\n{why}\n"));
        println!("failures:");
        failed.iter().for_each(|(name, _)| println!("    {name}"));
    }
    let ignored = ended.iter().filter(|(_, end)| matches!(end, Ended::Ignored(_))).count();
    println!(
        "\ntest result: {}. {} passed; {} failed; {ignored} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        ended.len() - failed.len() - ignored,
        failed.len(),
        all - ended.len(),
        begun.elapsed().as_secs_f64()
    );
    // As libtest.
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_choose_as_those_of_any_test() {
        let chosen = |line: &str| {
            let arguments = parse(line).unwrap();
            ["boundary::quiet", "boundary::quiet-end", "libxl::quiet"].map(|name| arguments.wants(name))
        };
        assert_eq!(chosen(""), [true, true, true]);
        assert_eq!(chosen("boundary:: --color never"), [true, true, false]);
        assert_eq!(chosen("--exact boundary::quiet --nocapture"), [true, false, false]);
        assert_eq!(chosen("quiet-end libxl --skip=xl"), [false, true, false]);
        assert_eq!(chosen("--ignored"), [false; 3]);
        assert_eq!(parse("--test-threads=3 --list").unwrap().threads, Some(3));
        for wrong in ["--test-threads 0", "--test-threads", "--lists"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
