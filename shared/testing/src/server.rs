//! [`Server`]: a running server under test.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
pub use rustix::process::Signal;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time;

use crate::TEST_TIMEOUT;
use crate::proc::{self, ThreadTimes};

/// How long a server must use no processor time before [`Server::settle`] returns. The kernel counts this time in ticks
/// of 10 ms, so the interval has several ticks.
const SETTLE_INTERVAL: Duration = Duration::from_millis(100);

/// The message of a test that cannot read `/proc`.
const RUNNING: &str = "a running server, on Linux";

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The first line that the server has printed.
    first_line: String,
    stdout: BufReader<ChildStdout>,
    /// How many sockets the server has open without any client.
    idle_sockets: usize,
    /// When the last signal was sent to the server.
    signalled_at: Cell<Option<Instant>>,
    address: SocketAddr,
    /// An HTTP client that is not actix.
    pub client: Client,
}

/// The end of a server's process.
#[derive(Debug)]
pub struct Exit {
    /// The exit code, or `None` if a signal ended the process.
    pub code: Option<i32>,
    /// The text that the server has written to stdout.
    pub stdout: String,
    /// The text that the server has written to stderr.
    pub stderr: String,
    /// The time from the last signal to the end, or from the start if there was no signal.
    pub elapsed: Duration,
}

impl Server {
    /// Starts `binary` on a free port and waits until the server prints its address.
    #[must_use]
    pub fn start(binary: &str, flags: &[&str]) -> Self {
        Self::start_on(0, binary, flags)
    }

    /// Starts `binary` on `port`, for example after another server on it has stopped.
    #[must_use]
    pub fn start_on(port: u16, binary: &str, flags: &[&str]) -> Self {
        let mut command = server_command(binary, flags);
        command.args(["--port", &port.to_string()]);
        Self::spawn(command)
    }

    /// Starts `binary` on a free port with these environment variables and no flags.
    #[must_use]
    pub fn start_with(binary: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = server_command(binary, &[]);
        command.env("PORT", "0").envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts `binary` on a free port. Its hard limit of open files is `files`, and its soft limit is half of that.
    #[must_use]
    pub fn start_with_files(files: u32, binary: &str, flags: &[&str]) -> Self {
        // A process can lower only its own limits. So a shell lowers its limits and then becomes the binary (`exec`).
        let limits = format!("ulimit -Sn {}; ulimit -Hn {files}", files / 2);
        let mut command = server_command(
            "sh",
            &["-c", &format!("{limits}; exec \"$0\" \"$@\""), binary],
        );
        command.args(flags).args(["--port", "0"]);
        Self::spawn(command)
    }

    /// Starts the program of `command`, which must print a line with its address, as a lesson does.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).expect("stdout is text");
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
            idle_sockets: proc::socket_count(child.id()),
            child,
            first_line: line,
            stdout,
            signalled_at: Cell::default(),
            address,
            client,
        }
    }

    /// Returns the address that the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of `path` on this server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a GET and waits for the headers of the response.
    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.url(path)).send();
        time::timeout(TEST_TIMEOUT, request)
            .await
            .expect("a response in time")
            .expect("a response")
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
        let response = response.expect("a response");
        assert_eq!(response.status(), 201, "{username:?} is added");
        let user: serde_json::Value = response.json().await.expect("JSON");
        user["id"].as_u64().expect("an id")
    }

    /// Sends `POST /cut`, which ends every open stream and every request that the server holds.
    pub async fn cut(&self) {
        let response = self.client.post(self.url("/cut")).send().await;
        assert_eq!(response.expect("a response").status(), 204, "a cut");
    }

    /// Opens a connection, sends `text` and returns the connection.
    pub async fn send_raw(&self, text: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let sent = connection.write_all(text.as_bytes()).await;
        sent.expect("the request is sent");
        connection
    }

    /// Does the same as [`Server::send_raw`], but with a small receive window. It is for a client that stops reading:
    /// on Linux the server can then send about 100 kB instead of 4 MB. (Other systems have larger windows.)
    pub async fn send_raw_small_window(&self, text: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a buffer");
        // The kernel buffers a certain number of segments. On the loopback interface a segment has 64 KiB, so they are
        // made smaller. Every system supports 536 bytes (RFC 9293 §3.7.1).
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

    /// Sends a signal and does not wait. `Signal::INT` is Ctrl-C, and a service manager sends `Signal::TERM`.
    pub fn signal(&self, signal: Signal) {
        self.signalled_at.set(Some(Instant::now()));
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(id, signal).expect("a running server");
    }

    /// Waits until the server has ended.
    #[must_use]
    pub fn wait(mut self) -> Exit {
        let start = self.signalled_at.get().unwrap_or_else(Instant::now);
        let mut exit = wait_for_exit(&mut self.child, start);
        exit.stdout = std::mem::take(&mut self.first_line);
        let rest = self.stdout.read_to_string(&mut exit.stdout);
        rest.expect("stdout is text");
        exit
    }

    /// Returns the number of open connections to clients. If a client has disconnected, its connection counts until the
    /// server closes it.
    #[must_use]
    pub fn connections(&self) -> usize {
        proc::socket_count(self.child.id()).saturating_sub(self.idle_sockets)
    }

    /// Returns the ports that the server listens on.
    #[must_use]
    pub fn listening_ports(&self) -> Vec<u16> {
        proc::listening_ports(self.child.id())
    }

    /// Returns for each connection how many bytes the system holds that the client has not acknowledged.
    #[must_use]
    pub fn send_queues(&self) -> Vec<usize> {
        proc::send_queues(self.address.port())
    }

    /// Returns how many files and sockets the server has open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        proc::file_count(self.child.id())
    }

    /// Returns the server's resident memory in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        proc::resident_memory(self.child.id()).expect(RUNNING)
    }

    /// Returns how much processor time the server has used so far, in the kernel's ticks of 10 ms.
    #[must_use]
    pub fn cpu_ticks(&self) -> u64 {
        proc::cpu_ticks(self.child.id()).expect(RUNNING)
    }

    /// Returns how much processor time each thread of the server has used so far, in nanoseconds.
    #[must_use]
    pub fn thread_times(&self) -> ThreadTimes {
        ThreadTimes::read(self.child.id()).expect(RUNNING)
    }

    /// Waits until the server has finished its work, so that it uses no more processor time.
    pub async fn settle(&self) {
        let working = async {
            let mut ticks = self.cpu_ticks();
            loop {
                time::sleep(SETTLE_INTERVAL).await;
                let now = self.cpu_ticks();
                if std::mem::replace(&mut ticks, now) == now {
                    break;
                }
            }
        };
        let outcome = time::timeout(TEST_TIMEOUT, working).await;
        outcome.expect("the server finishes its work");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if the server has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs `binary` with flags that should prevent its start, and waits until the process has ended.
#[must_use]
pub fn run(binary: &str, flags: &[&str]) -> Exit {
    run_to_end(server_command(binary, flags))
}

/// Runs `binary` on a free port with environment variables that should prevent its start, and waits until the process
/// has ended.
#[must_use]
pub fn run_with(binary: &str, environment: &[(&str, &str)]) -> Exit {
    let mut command = server_command(binary, &[]);
    command.env("PORT", "0").envs(environment.iter().copied());
    run_to_end(command)
}

fn run_to_end(mut command: Command) -> Exit {
    let start = Instant::now();
    let child = command.stdout(Stdio::piped()).spawn();
    wait_for_exit(&mut child.expect("the binary starts"), start)
}

/// Returns the command that runs `binary` with `flags` and nothing else.
pub(crate) fn server_command(binary: &str, flags: &[&str]) -> Command {
    raise_file_limit();
    let mut command = Command::new(binary);
    // The environment of the tests may hold variables that set a flag, such as `PORT`.
    command.env_clear().args(flags);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Raises the limit of open files as far as the system allows, for this process and the servers that it starts. The
/// usual limit of 1,024 is too low for a test with 1,000 clients.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Some systems refuse their own maximum. Then the limit does not change.
    setrlimit(Resource::Nofile, highest).ok();
}

/// Waits until `child` has ended, and kills it after [`TEST_TIMEOUT`].
fn wait_for_exit(child: &mut Child, start: Instant) -> Exit {
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child process") {
            break status;
        }
        if start.elapsed() > TEST_TIMEOUT {
            child.kill().expect("a running server");
            panic!("the server does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let elapsed = start.elapsed();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let pipe = child.stderr.as_mut().expect("stderr is a pipe");
    pipe.read_to_string(&mut stderr).expect("stderr is text");
    // A `Server` has taken this pipe, and reads it itself.
    if let Some(pipe) = &mut child.stdout {
        pipe.read_to_string(&mut stdout).expect("stdout is text");
    }
    Exit {
        code: ExitStatus::code(&status),
        stdout,
        stderr,
        elapsed,
    }
}
