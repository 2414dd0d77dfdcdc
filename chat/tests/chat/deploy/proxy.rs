//! [`Proxy`]: an nginx with the file `deploy/nginx.conf`, on free ports.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testing::{Server, TEST_TIMEOUT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// The file that is tested.
const CONFIGURATION: &str = include_str!("../../../deploy/nginx.conf");

/// The addresses of the three servers of the chat in the file.
const CHATS: [&str; 3] = ["127.0.0.1:8006", "127.0.0.1:8016", "127.0.0.1:8026"];

/// How many lessons there are.
const LESSONS: usize = 6;

/// How nginx is installed on Debian.
const INSTALL: &str = "nginx: apt-get install nginx";

/// A running nginx. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Proxy {
    child: Child,
    /// The TLS port of each lesson, and another port of the chat without TLS.
    ports: Vec<u16>,
    /// The file, the certificate, and what nginx writes.
    _folder: TempDir,
}

impl Proxy {
    /// Starts nginx in front of lessons 1 to 5, or of none of them, and of three servers of the chat. Waits until it
    /// listens.
    pub(super) fn start(lessons: &[Server], chats: &[Server]) -> Self {
        let folder = TempDir::new().unwrap();
        make_certificate(&folder);
        let ports = free_ports(LESSONS + 1);
        let file = configuration(&ports, lessons, chats);
        fs::write(folder.path().join("nginx.conf"), file).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]);
        let child = command.arg(folder.path()).stdin(Stdio::null()).spawn();
        let mut proxy = Self {
            child: child.expect(INSTALL),
            ports,
            _folder: folder,
        };
        proxy.wait_until_it_listens();
        proxy
    }

    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[LESSONS]));
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < TEST_TIMEOUT, "nginx does not listen");
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "nginx has ended: {ended:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the URL of the page of a lesson, under one of the names of this machine.
    pub(super) fn url(&self, host: &str, lesson: usize) -> String {
        format!("https://{host}:{}/", self.ports[lesson - 1])
    }

    /// Returns the address of the chat without TLS, which the HTTP clients of these tests do not have.
    pub(super) fn plain_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[LESSONS])
    }

    /// Sends a request to a lesson over TLS, with these headers and without a library, and returns the head of the
    /// response as it is on the wire. `request` is a line such as `GET /`.
    pub(super) async fn head(
        &self,
        lesson: usize,
        request: &str,
        headers: &[&str],
        body: &str,
    ) -> String {
        let port = self.ports[lesson - 1];
        let (length, headers) = (body.len(), headers.join("\r\n"));
        let request = format!(
            "{request} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{headers}\r\n\r\n{body}"
        );
        let mut client = tokio::process::Command::new("openssl");
        client.args(["s_client", "-quiet", "-servername", "localhost"]);
        client.args(["-connect", &format!("127.0.0.1:{port}")]);
        client.stdin(Stdio::piped()).stdout(Stdio::piped());
        client.stderr(Stdio::null()).kill_on_drop(true);
        let mut client = client.spawn().expect("apt-get install openssl");
        let stdin = client.stdin.as_mut().unwrap();
        stdin.write_all(request.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        let reading = async {
            while !response.windows(4).any(|end| end == b"\r\n\r\n") {
                let stdout = client.stdout.as_mut().unwrap();
                assert_ne!(stdout.read_buf(&mut response).await.unwrap(), 0, "an end");
            }
        };
        timeout(TEST_TIMEOUT, reading).await.unwrap();
        // The first frame of a WebSocket may have come with the head.
        String::from_utf8_lossy(&response).into_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // After SIGKILL, the worker processes would stay.
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        self.child.wait().ok();
    }
}

/// Returns ports that are free. nginx cannot choose one by itself. It is unlikely that another program takes one first.
fn free_ports(count: usize) -> Vec<u16> {
    let listen = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listeners: Vec<_> = (0..count).map(listen).collect();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    listeners.iter().map(port).collect()
}

/// Returns the file with other ports and addresses, and with a port of the chat without TLS.
fn configuration(ports: &[u16], lessons: &[Server], chats: &[Server]) -> String {
    let mut file = CONFIGURATION.to_owned();
    let mut replace = |from: &str, to: &str| {
        assert_eq!(file.matches(from).count(), 1, "{from}");
        file = file.replace(from, to);
    };
    // While a server restarts, nginx writes a line for each request that it sends to another one.
    replace("error_log stderr;", "error_log error.log;");
    for (port, number) in ports.iter().zip(1..=LESSONS) {
        let listen = format!("listen 127.0.0.1:{port} ssl http2;");
        replace(&format!("listen 844{number} ssl http2;"), &listen);
    }
    let plain = format!(
        "listen 127.0.0.1:{};\n        location / {{\n",
        ports[LESSONS]
    );
    replace("location / {\n", &plain);
    for (server, number) in lessons.iter().zip(1..LESSONS) {
        let address = format!("127.0.0.1:800{number};");
        replace(&address, &format!("{};", server.address()));
    }
    for (server, address) in chats.iter().zip(CHATS) {
        replace(address, &server.address().to_string());
    }
    file
}

/// Makes a certificate with the command of `SCALING.md`, in another folder.
fn make_certificate(folder: &TempDir) {
    let text = include_str!("../../../SCALING.md").replace("\\\n", " ");
    let command = text.lines().find(|line| line.starts_with("openssl req"));
    let command = command.expect("a command").replace("~/proxy", "\"$0\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).arg(folder.path());
    let output = shell.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {message}");
}
