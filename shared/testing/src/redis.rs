//! A Redis server of a test's own. Debian has it: `apt-get install redis-server`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::PATIENCE;

/// A running `redis-server` whose writes are on disk before it answers. It is killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
    /// What it keeps.
    folder: TempDir,
}

impl Redis {
    /// Starts one that holds nothing yet, and waits until it listens.
    #[must_use]
    pub fn start() -> Self {
        // Redis takes no port 0 for a free one. Another program may take it first, which is unlikely.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = TempDir::new().expect("a folder");
        let child = spawn(port, &folder);
        Self {
            child,
            port,
            folder,
        }
    }

    /// Its address, for `--redis`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Sends it a signal: [`Signal::STOP`] lets it hang, [`Signal::CONT`] ends that.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is running");
    }

    /// Kills it, as a power cut does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is running");
        self.child.wait().expect("it has ended");
    }

    /// Starts it again after [`Redis::kill`], with what is on disk.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder);
    }
}

fn spawn(port: u16, folder: &TempDir) -> Child {
    let mut child = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "always", "--port", &port.to_string()])
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server: apt-get install redis-server");
    let start = Instant::now();
    while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
        assert!(start.elapsed() < PATIENCE, "Redis does not listen");
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
