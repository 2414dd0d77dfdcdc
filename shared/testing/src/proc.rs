//! What a process has used, from Linux's `/proc`.

use std::{collections::HashMap, fs, io, time::Duration};

/// How much processor time each thread of a process has had so far.
///
/// From `/proc/PID/task/*/schedstat`, which counts nanoseconds; `/proc/PID/stat` counts ticks of 10 ms,
/// in which a server can write to a thousand clients. A thread that ends takes its time along, which
/// only those do that write the users file.
#[derive(Debug, Clone, Default)]
pub struct ThreadTimes(HashMap<String, Duration>);

impl ThreadTimes {
    /// The time used so far.
    ///
    /// # Errors
    /// When `/proc` does not say.
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let mut times = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?;
            // A thread may end while we look.
            let Ok(statistics) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let time = run_time(&statistics).ok_or(io::ErrorKind::InvalidData)?;
            times.insert(thread.file_name().to_string_lossy().into_owned(), time);
        }
        Ok(Self(times))
    }

    /// The time used since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or_default();
        let used = self.0.iter();
        used.map(|(thread, time)| time.saturating_sub(before(thread)))
            .sum()
    }
}

/// The first number of `schedstat`: nanoseconds on a processor.
fn run_time(schedstat: &str) -> Option<Duration> {
    let first = schedstat.split_whitespace().next()?;
    Some(Duration::from_nanos(first.parse().ok()?))
}

/// The resident memory of a process in bytes.
pub(crate) fn memory(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    resident(&status).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn resident(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The `cargo bench` that started this process, as its id and when it began: an id alone is used again.
#[must_use]
pub(crate) fn invocation() -> String {
    #[cfg(unix)]
    let parent = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let parent = 0;
    let stat = fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    format!("{parent}-{}", start_time(&stat).unwrap_or_default())
}

/// The 22nd field of `stat`, the 20th after the name in brackets, which may hold spaces.
fn start_time(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// What the process that started this one was called with.
pub(crate) fn parents_arguments() -> Vec<String> {
    #[cfg(unix)]
    let parent = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let parent = 0;
    let line = fs::read_to_string(format!("/proc/{parent}/cmdline")).unwrap_or_default();
    line.split_terminator('\0').map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured_by_what_linux_writes_about_it() {
        assert_eq!(
            run_time("34645186 5 1\n"),
            Some(Duration::from_nanos(34_645_186))
        );
        assert_eq!(run_time(""), None);
        let status = "Name:\tsse\nVmHWM:\t    9000 kB\nVmRSS:\t    4100 kB\n";
        assert_eq!(resident(status), Some(4100 * 1024));
        assert_eq!(resident("Name:\tsse\n"), None);
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        assert_eq!(start_time(stat), Some(4711));
    }

    #[test]
    fn threads_that_begin_count_and_threads_that_end_do_not() {
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
