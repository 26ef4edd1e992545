//! Chromium without a window, spoken to in its DevTools protocol over a pipe.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What Debian and others call it.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How long the browser may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser with one page, which goes when this is dropped.
pub(crate) struct Browser {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// Uncaught exceptions, and what the page wrote to the console as a warning or an error.
    pub(crate) complaints: Vec<Value>,
    folder: TempDir,
}

impl Browser {
    /// Starts it on a window of 1400 by 1000. `None` if this machine has none.
    pub(crate) fn start() -> Option<Self> {
        let program = PROGRAMS.into_iter().find(|program| {
            let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            !asked.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        })?;
        let folder = tempfile::tempdir().expect("a folder for the browser's profile");
        // The browser reads requests from fd 3 and writes answers to fd 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh", program, "--headless", "--no-sandbox"])
            .args(["--remote-debugging-pipe", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
            .args(["--window-size=1400,1000", "about:blank"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts the browser");
        let requests = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
                // Nobody listens any more once the browser is dropped.
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { child, requests, answers, session: None, last: 0, complaints: Vec::new(), folder };
        let targets = browser.ask("Target.getTargets", json!({}));
        let page = targets["targetInfos"].as_array().expect("targets").iter().find(|target| target["type"] == "page");
        let page = page.expect("the browser begins with a page")["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(String::from);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            browser.ask(domain, json!({}));
        }
        Some(browser)
    }

    /// Opens a page that is written to a file first; returns when it has loaded, with how long that took.
    pub(crate) fn open(&mut self, page: &str) -> Duration {
        let file = self.folder.path().join("page.html");
        std::fs::write(&file, page).expect("the page can be written");
        let start = Instant::now();
        self.ask("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        self.evaluate(
            "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))",
        );
        start.elapsed()
    }

    /// The value of a script's expression in the page, once its promise is kept.
    pub(crate) fn evaluate(&mut self, script: &str) -> Value {
        let parameters = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.ask("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses a key, named as in `KeyboardEvent.key`.
    pub(crate) fn press(&mut self, key: &str) {
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        // Without the code of the physical key, no default action follows.
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "Tab" => 9,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code});
            self.ask("Input.dispatchKeyEvent", event);
        }
        self.settle();
    }

    /// Moves the mouse there, or does something with it there: `mousePressed`, `mouseReleased`, `mouseWheel`. The wheel turns by
    /// `wheel`, with Ctrl held.
    pub(crate) fn mouse(&mut self, kind: &str, (x, y): (f64, f64), wheel: f64) {
        let button = if kind == "mousePressed" || kind == "mouseReleased" { "left" } else { "none" };
        let mut event = json!({"type": kind, "x": x, "y": y, "button": button, "clickCount": 1});
        if kind == "mouseWheel" {
            (event["deltaX"], event["deltaY"], event["modifiers"]) = (0.into(), wheel.into(), 2.into());
        }
        self.ask("Input.dispatchMouseEvent", event);
        self.settle();
    }

    /// Waits until what was asked for is drawn.
    pub(crate) fn settle(&mut self) {
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    }

    /// Has the page think that its reader prefers this colour scheme: `light` or `dark`.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.ask("Emulation.setEmulatedMedia", json!({"features": [feature]}));
        self.settle();
    }

    /// Writes what the window shows to a file, as PNG.
    pub(crate) fn screenshot(&mut self, path: &Path) {
        let file = path.to_str().expect("a path in UTF-8").to_owned();
        let answer = self.ask("Page.captureScreenshot", json!({"format": "png"}));
        let mut decode =
            Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(create(&file)).spawn().expect("base64");
        let data = answer["data"].as_str().expect("a picture");
        decode.stdin.take().expect("piped").write_all(data.as_bytes()).expect("base64 reads");
        assert!(decode.wait().expect("base64 ends").success());
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            request["sessionId"] = session.clone().into();
        }
        let mut text = request.to_string().into_bytes();
        text.push(0);
        self.requests.write_all(&text).expect("the browser reads");
        loop {
            let message = self.answers.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.notice(message);
        }
    }

    fn notice(&mut self, message: Value) {
        let parameters = &message["params"];
        let complains = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => parameters["type"] == "error" || parameters["type"] == "warning",
            Some("Log.entryAdded") => {
                parameters["entry"]["level"] == "error" || parameters["entry"]["level"] == "warning"
            }
            Some("Network.requestWillBeSent") => {
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                !url.ends_with("/page.html")
            }
            _ => false,
        };
        if complains {
            self.complaints.push(message);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close, it ends the processes that it has started; killed, it leaves them to find out.
        let _ = self.requests.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        while self.answers.recv_timeout(PATIENCE).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn create(path: &str) -> std::fs::File {
    std::fs::File::create(path).unwrap_or_else(|error| panic!("cannot write {path}: {error}"))
}
