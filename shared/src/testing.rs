//! Starts a lesson's binary, talks to it and measures it, for the lessons' own tests.
//!
//! Everything here panics when it fails, as a test should.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "a broken promise ends the test"
)]

pub mod browser;
pub mod load;
mod measure;
pub mod promises;
pub mod redis;

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
pub use rustix::process::Signal;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time;

/// How long a test waits for what should happen at once. Only a broken promise takes that long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A running lesson. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The sockets that it has open without any client.
    own_sockets: usize,
    /// When it was asked to stop.
    stopped: Cell<Option<Instant>>,
    address: SocketAddr,
    /// An HTTP client that is not actix.
    pub client: Client,
}

/// How a server ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit code, if no signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stderr.
    pub stderr: String,
    /// From the start, or from the signal, to the end.
    pub elapsed: Duration,
}

impl Server {
    /// Starts `binary` on a free port and waits until it says which.
    #[must_use]
    pub fn start(binary: &str, flags: &[&str]) -> Self {
        Self::start_on(0, binary, flags)
    }

    /// Starts `binary` on `port`, say to take the place of one that has stopped.
    #[must_use]
    pub fn start_on(port: u16, binary: &str, flags: &[&str]) -> Self {
        let mut command = lesson(binary, flags);
        command.args(["--port", &port.to_string()]);
        Self::spawn(command)
    }

    /// Starts `binary` on a free port with these environment variables and no flags.
    #[must_use]
    pub fn start_with(binary: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = lesson(binary, &[]);
        command.env("PORT", "0").envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts `binary` on a free port with a hard limit of `files` open files, and half of that as the soft one.
    #[must_use]
    pub fn start_with_files(files: u32, binary: &str, flags: &[&str]) -> Self {
        // Only a process itself can lower its limits, and a shell is one that then becomes the binary.
        let limits = format!("ulimit -Sn {}; ulimit -Hn {files}", files / 2);
        let mut command = lesson(
            "sh",
            &["-c", &format!("{limits}; exec \"$0\" \"$@\""), binary],
        );
        command.args(flags).args(["--port", "0"]);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("stdout is text");
        let address = line
            .trim_end()
            .rsplit_once("http://")
            .and_then(|(_, url)| url.strip_suffix('/'));
        let address = address.and_then(|address| address.parse().ok());
        let Some(address) = address else {
            panic!("expected `NAME: http://ADDRESS/`, got {line:?}")
        };
        let client = Client::builder()
            .no_proxy()
            .build()
            .expect("a client without TLS");
        Self {
            own_sockets: measure::sockets(child.id()),
            child,
            stopped: Cell::default(),
            address,
            client,
        }
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of `path` on this server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a GET and waits for the head of the answer.
    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.url(path)).send();
        time::timeout(PATIENCE, request)
            .await
            .expect("an answer in time")
            .expect("an answer")
    }

    /// Adds a user and returns its id.
    pub async fn add_user(&self, username: &str) -> u64 {
        let user = serde_json::json!({ "username": username });
        let response = self
            .client
            .post(self.url("/users"))
            .json(&user)
            .send()
            .await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), 201, "{username:?} is added");
        let user: serde_json::Value = response.json().await.expect("JSON");
        user["id"].as_u64().expect("an id")
    }

    /// Ends every open stream and every request that the server holds.
    pub async fn cut(&self) {
        let response = self.client.post(self.url("/cut")).send().await;
        assert_eq!(response.expect("an answer").status(), 204, "a cut");
    }

    /// Opens a connection, sends `text` over it, and leaves the rest to the caller.
    pub async fn send_raw(&self, text: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        connection
            .write_all(text.as_bytes())
            .await
            .expect("the request is sent");
        connection
    }

    /// The same for a client that is going to stop reading. It takes in little at a time, so that the server is
    /// stuck with it after some 100 kB, and not after 4 MB. (On Linux: elsewhere it takes in larger pieces.)
    pub async fn send_raw_with_little_room(&self, text: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a buffer");
        // A system holds back so many segments for a slow reader, and over the loopback interface one has 64 KiB.
        // This is the size that every system can take (RFC 9293 §3.7.1).
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&socket)
            .set_tcp_mss(536)
            .expect("a size");
        let connecting = socket.connect(self.address);
        let mut connection = connecting.await.expect("a connection");
        let sent = connection.write_all(text.as_bytes()).await;
        sent.expect("the request is sent");
        connection
    }

    /// Asks the server to stop, as Ctrl-C (`Signal::INT`) or a service manager (`Signal::TERM`)
    /// does, without waiting for it.
    pub fn signal(&self, signal: Signal) {
        self.stopped.set(Some(Instant::now()));
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(id, signal).expect("a running server");
    }

    /// Waits until the server has ended.
    #[must_use]
    pub fn wait(mut self) -> Exit {
        finish(
            &mut self.child,
            self.stopped.get().unwrap_or_else(Instant::now),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs `binary` with flags that should keep it from starting, and waits for its end.
#[must_use]
pub fn run(binary: &str, flags: &[&str]) -> Exit {
    let start = Instant::now();
    let mut command = lesson(binary, flags);
    let mut child = command
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts");
    finish(&mut child, start)
}

fn lesson(binary: &str, flags: &[&str]) -> Command {
    raise_file_limit();
    let mut command = Command::new(binary);
    // Without whatever flags the environment of the tests may hold.
    command.env_clear().args(flags);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Lets this process, and the servers that it starts, open as many sockets as the system allows: the
/// usual limit of 1,024 files is too low for a test with 1,000 clients.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Some systems refuse the maximum; then the usual limit has to do.
    setrlimit(Resource::Nofile, most).ok();
}

fn finish(child: &mut Child, start: Instant) -> Exit {
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child process") {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().expect("a running server");
            panic!("the server does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let elapsed = start.elapsed();
    let mut stderr = String::new();
    let pipe = child.stderr.as_mut().expect("stderr is a pipe");
    pipe.read_to_string(&mut stderr).expect("stderr is text");
    Exit {
        code: ExitStatus::code(&status),
        stderr,
        elapsed,
    }
}

/// Waits until `condition` holds, at most `limit`, and returns how long it took.
pub async fn eventually(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        time::sleep(Duration::from_millis(1)).await;
    }
    start.elapsed()
}

/// Reads from `connection` until it has ended or `enough` says so.
pub async fn read_until(connection: &mut TcpStream, enough: impl Fn(&str) -> bool) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !enough(&String::from_utf8_lossy(&bytes)) {
            if connection.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    let done = time::timeout(PATIENCE, reading).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(done.is_ok(), "nothing more came after {text:?}");
    text
}
