//! What a running server holds and uses, from Linux's `/proc`; elsewhere there is nothing to read.

use std::{collections::HashSet, fs, time::Duration};

use tokio::time;

use super::{PATIENCE, Server, load::ThreadTimes};

#[cfg(target_os = "linux")]
impl Server {
    /// How many clients' connections the server holds, those included whose client has already gone
    /// away.
    #[must_use]
    pub fn connections(&self) -> usize {
        sockets(self.child.id()).saturating_sub(self.own_sockets)
    }

    /// How many files and sockets the server has open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        folder.expect("a running server").count()
    }

    /// The server's resident memory in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a running server");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes.expect("VmRSS in kB") * 1024
    }

    /// How much processor time the server has used so far, in the kernel's ticks of 10 ms.
    #[must_use]
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("a running server");
        // The name in brackets may hold spaces; utime and stime are the 12th and 13th field after it.
        let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
        let times = fields.split_whitespace().skip(11).take(2);
        times
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum()
    }

    /// The same for each of its threads, to the nanosecond.
    #[must_use]
    pub fn thread_times(&self) -> ThreadTimes {
        ThreadTimes::of(self.child.id()).expect("a running server")
    }

    /// Waits until the server has done all that it was asked to do: it uses no processor time.
    pub async fn settle(&self) {
        let used = async {
            let mut ticks = self.cpu_ticks();
            loop {
                // Several of the kernel's ticks.
                time::sleep(Duration::from_millis(100)).await;
                let now = self.cpu_ticks();
                if std::mem::replace(&mut ticks, now) == now {
                    break;
                }
            }
        };
        let done = time::timeout(PATIENCE, used).await;
        done.expect("the server comes to rest");
    }
}

/// How many sockets the process has open. It may have several descriptors for one.
pub(super) fn sockets(process: u32) -> usize {
    let folder = fs::read_dir(format!("/proc/{process}/fd"));
    let links = folder
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok());
    let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:"));
    sockets.collect::<HashSet<_>>().len()
}
