//! [`Redis`]: a Redis server for one test. On Debian: `apt-get install redis-server`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::TEST_TIMEOUT;

/// Returns whether this machine has a `redis-server`, for tests that also work without it. If the environment variable
/// `REQUIRE_REDIS` is set, as in CI, this panics instead of returning false.
#[must_use]
pub fn is_installed() -> bool {
    let mut command = Command::new("redis-server");
    let version = command.arg("--version").stdout(Stdio::null()).status();
    let installed = version.is_ok_and(|status| status.success());
    assert!(
        installed || std::env::var_os("REQUIRE_REDIS").is_none(),
        "redis-server: apt-get install redis-server"
    );
    installed
}

/// The settings of a Redis that writes to disk before it responds.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A running `redis-server` that writes to disk before it responds. Dropping it kills the process.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
    /// Further settings.
    settings: Vec<String>,
    /// The folder with the server's data.
    folder: TempDir,
}

impl Redis {
    /// Starts an empty server and waits until it listens.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts an empty server with further settings, which override the others.
    ///
    /// `PORT` in a setting becomes the port: with `--port 0 --tls-port PORT`, the server speaks only TLS.
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        // Redis cannot choose a free port by itself. It is unlikely that another program takes this port first.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = TempDir::new().expect("a folder");
        let with_port = |setting: &&str| setting.replace("PORT", &port.to_string());
        let settings: Vec<_> = settings.iter().map(with_port).collect();
        let child = spawn(port, &settings, &folder);
        Self {
            child,
            port,
            settings,
            folder,
        }
    }

    /// Returns the port that the server listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL for `--redis`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Sends a signal: after [`Signal::STOP`] the server hangs, after [`Signal::CONT`] it works again.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is running");
    }

    /// Kills the server, as a power cut does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is running");
        self.child.wait().expect("it has ended");
    }

    /// Starts the server again after [`Redis::kill`], with the data on disk.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, &self.settings, &self.folder);
    }
}

/// Starts `redis-server` on `port` and waits until it listens.
fn spawn(port: u16, settings: &[String], folder: &TempDir) -> Child {
    let mut child = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", ""])
        .args(["--port", &port.to_string()])
        .args(DURABLE)
        .args(settings)
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server: apt-get install redis-server");
    let start = Instant::now();
    while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
        assert!(start.elapsed() < TEST_TIMEOUT, "Redis does not listen");
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none(), "Redis has ended: {ended:?}");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
