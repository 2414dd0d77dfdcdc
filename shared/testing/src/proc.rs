//! The resources that a process uses, read from Linux's `/proc`. Other systems have no such files.

use std::collections::{HashMap, HashSet};
use std::{fs, io, time::Duration};

/// The processor time that each thread of a process has used so far.
///
/// The source is `/proc/PID/task/*/schedstat`, which counts nanoseconds. `/proc/PID/stat` counts only ticks of 10 ms,
/// and in one tick a server can write to a thousand clients. The time of a thread that has ended is lost. In a lesson,
/// only the threads that write the users file end.
#[derive(Debug, Clone, Default)]
pub struct ThreadTimes(HashMap<String, Duration>);

impl ThreadTimes {
    /// Reads the times of `process`.
    pub(crate) fn read(process: u32) -> io::Result<Self> {
        let mut times = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?;
            // A thread may end between these two lines.
            let Ok(statistics) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let time = run_time(&statistics).ok_or(io::ErrorKind::InvalidData)?;
            times.insert(thread.file_name().to_string_lossy().into_owned(), time);
        }
        Ok(Self(times))
    }

    /// Returns the time that all threads together have used since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or_default();
        let times = self.0.iter();
        times
            .map(|(thread, time)| time.saturating_sub(before(thread)))
            .sum()
    }
}

/// Returns the first number of a `schedstat` file: nanoseconds on a processor.
fn run_time(schedstat: &str) -> Option<Duration> {
    let first = schedstat.split_whitespace().next()?;
    Some(Duration::from_nanos(first.parse().ok()?))
}

/// Returns the resident memory of `process` in bytes.
pub(crate) fn resident_memory(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    resident_bytes(&status).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns the value of `VmRSS` in a `status` file, in bytes.
fn resident_bytes(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Returns the processor time that `process` has used so far, in the kernel's ticks of 10 ms.
pub(crate) fn cpu_ticks(process: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    ticks(&stat).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns the sum of `utime` and `stime` in a `stat` file. These are the 12th and the 13th field after the name of the
/// process. The name is in brackets and may contain spaces.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// Returns how many file descriptors `process` has open.
pub(crate) fn file_count(process: u32) -> usize {
    let folder = fs::read_dir(format!("/proc/{process}/fd"));
    folder.expect("a running process").count()
}

/// Returns how many sockets `process` has open. A process may have several descriptors for one socket.
pub(crate) fn socket_count(process: u32) -> usize {
    sockets(process).len()
}

/// Returns the names of the sockets that `process` has open: `socket:[4711]`, with the inode.
fn sockets(process: u32) -> HashSet<String> {
    let folder = fs::read_dir(format!("/proc/{process}/fd"));
    let links = folder
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok());
    let names = links.map(|link| link.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("socket:")).collect()
}

/// Returns the TCP ports of IPv4 that `process` listens on.
pub(crate) fn listening_ports(process: u32) -> Vec<u16> {
    let sockets = sockets(process);
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let listeners = table.lines().filter_map(listener);
    let own = listeners.filter(|(_, inode)| sockets.contains(&format!("socket:[{inode}]")));
    own.map(|(port, _)| port).collect()
}

/// Parses a line of `/proc/net/tcp`. Returns the port and the inode of a socket that listens (state 0A).
fn listener(line: &str) -> Option<(u16, &str)> {
    let fields: Vec<_> = line.split_whitespace().take(10).collect();
    let [_, local, _, "0A", .., inode] = fields[..] else {
        return None;
    };
    let (_, port) = local.split_once(':')?;
    Some((u16::from_str_radix(port, 16).ok()?, inode))
}

/// Returns for each open connection of the server at `port` how many bytes the system holds that the client has not
/// acknowledged.
pub(crate) fn send_queues(port: u16) -> Vec<usize> {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    table
        .lines()
        .filter_map(|line| send_queue(line, port))
        .collect()
}

/// Parses a line of `/proc/net/tcp`: its number, the local and the remote address, the state, the queues. All are
/// hexadecimal. State 1 is an open connection.
fn send_queue(line: &str, port: u16) -> Option<usize> {
    let fields: Vec<_> = line.split_whitespace().take(5).collect();
    let [_, local, _, "01", queues] = fields[..] else {
        return None;
    };
    let is_local = local.ends_with(&format!(":{port:04X}"));
    let (send_queue, _) = queues.split_once(':')?;
    is_local.then(|| usize::from_str_radix(send_queue, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_queue_is_read_from_its_line() {
        let line = "1: 0100007F:1F44 0100007F:C350 01 0000A1F0:00000000 00:00000000 00000000 0 0";
        assert_eq!(send_queue(line, 8004), Some(0xA1F0));
        assert_eq!(send_queue(line, 8005), None, "another server's");
        assert_eq!(
            send_queue(&line.replace(" 01 ", " 0A "), 8004),
            None,
            "it listens"
        );
        assert_eq!(send_queue("sl local_address rem_address st", 8004), None);
    }

    #[test]
    fn a_listener_is_read_from_its_line() {
        let line = "0: 0100007F:1F44 00000000:0000 0A 0:0 00:0 0 0 0 4711 1 0";
        assert_eq!(listener(line), Some((8004, "4711")));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None, "connected");
    }

    #[test]
    fn the_files_of_proc_are_parsed() {
        let nanoseconds = run_time("34645186 5 1\n");
        assert_eq!(nanoseconds, Some(Duration::from_nanos(34_645_186)));
        assert_eq!(run_time(""), None);
        let status = "Name:\tsse\nVmHWM:\t    9000 kB\nVmRSS:\t    4100 kB\n";
        assert_eq!(resident_bytes(status), Some(4100 * 1024));
        assert_eq!(resident_bytes("Name:\tsse\n"), None);
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 4700 11 13 14 15";
        assert_eq!(ticks(stat), Some(4711));
        assert_eq!(ticks("7 sse"), None);
    }

    #[test]
    fn new_threads_count_and_ended_threads_do_not() {
        let times = |times: &[(&str, u64)]| {
            let times = times.iter();
            ThreadTimes(
                times
                    .map(|(thread, time)| ((*thread).to_owned(), Duration::from_nanos(*time)))
                    .collect(),
            )
        };
        let before = times(&[("1", 100), ("2", 50)]);
        let after = times(&[("1", 130), ("3", 7)]);
        assert_eq!(after.since(&before), Duration::from_nanos(37));
    }
}
