//! [`RunningLessons`]: the processes of the five lessons.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use shared::catalog::LessonInfo;
use tokio::sync::oneshot;
use tokio::time;

use crate::error::StartError;
use crate::programs::{compared_lessons, program_in};

/// How long a lesson may take until it listens. It takes a hundredth of that, even on a slow machine.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a lesson may take to end. It waits a second for its connections, and 600 ms until they are closed.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// The variables of the environment that set flags of the lessons. Here the lessons have the flags that this program
/// gives them: five lessons could not keep their users in the same file.
const VARIABLES: [&str; 2] = ["NO_CUT", "USERS"];

/// The five lessons. Dropping it ends their processes.
#[derive(Debug)]
pub(crate) struct RunningLessons(Vec<RunningLesson>);

/// The process of a lesson.
#[derive(Debug)]
struct RunningLesson {
    child: Child,
    /// Nothing is ever sent here. It is disconnected when the lesson's stdout is closed, which is when the lesson ends.
    output: mpsc::Receiver<()>,
}

/// A lesson that listens.
#[derive(Debug, Clone)]
pub(crate) struct LessonUrl {
    pub(crate) info: &'static LessonInfo,
    /// Such as `http://127.0.0.1:40123`.
    pub(crate) origin: String,
}

impl RunningLessons {
    /// Starts all lessons on free ports, and waits until they listen. Pages of `allowed_origins` may show them in
    /// frames and make changes.
    ///
    /// # Errors
    /// If one lesson does not start. The others are ended then.
    pub(crate) async fn start(
        folder: &Path,
        allowed_origins: &[String],
    ) -> Result<(Self, Vec<LessonUrl>), StartError> {
        let mut running = Self(Vec::new());
        let mut first_lines = Vec::new();
        for info in compared_lessons() {
            let (lesson, first_line) = RunningLesson::spawn(folder, info.name, allowed_origins)?;
            running.0.push(lesson);
            first_lines.push((info, first_line));
        }
        let mut urls = Vec::new();
        for (info, first_line) in first_lines {
            let origin = origin_in(info.name, first_line).await?;
            urls.push(LessonUrl { info, origin });
        }
        Ok((running, urls))
    }
}

impl Drop for RunningLessons {
    fn drop(&mut self) {
        // First a signal for each, so that all end at the same time.
        for lesson in &mut self.0 {
            lesson.terminate();
        }
        for lesson in &mut self.0 {
            lesson.wait();
        }
    }
}

impl RunningLesson {
    /// Starts the process, and returns it with the receiver of the first line that it prints.
    fn spawn(
        folder: &Path,
        name: &'static str,
        allowed_origins: &[String],
    ) -> Result<(Self, oneshot::Receiver<String>), StartError> {
        let mut command = Command::new(program_in(folder, name));
        command.args(["--host", "127.0.0.1", "--port", "0"]);
        command.args(
            allowed_origins
                .iter()
                .flat_map(|origin| ["--allow-origin", origin]),
        );
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| StartError::Spawn { name, error })?;
        let (first_line, receiver) = oneshot::channel();
        let (is_open, output) = mpsc::sync_channel(0);
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || read_output(stdout, first_line, is_open));
        }
        Ok((Self { child, output }, receiver))
    }

    /// Asks the lesson to end.
    fn terminate(&mut self) {
        #[cfg(unix)]
        let sent = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        #[cfg(not(unix))]
        let sent = self.child.kill();
        // It fails if the process has ended already.
        sent.ok();
    }

    /// Waits until the lesson has ended, and kills it if that takes too long, for example because it is suspended.
    fn wait(&mut self) {
        if self.output.recv_timeout(STOP_LIMIT) == Err(RecvTimeoutError::Timeout) {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}

/// Sends the first line that a lesson prints, and reads on until the lesson ends. Then it drops `_is_open`.
fn read_output(
    stdout: ChildStdout,
    first_line: oneshot::Sender<String>,
    _is_open: mpsc::SyncSender<()>,
) {
    let mut reader = BufReader::new(stdout);
    let mut line = String::new();
    // Without a line, `first_line` is dropped, and its receiver gets an error.
    if reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        first_line.send(line).ok();
    } else {
        drop(first_line);
    }
    io::copy(&mut reader, &mut io::sink()).ok();
}

/// Returns the origin in the line `NAME: http://ADDRESS/` that a lesson prints when it listens.
async fn origin_in(
    name: &'static str,
    first_line: oneshot::Receiver<String>,
) -> Result<String, StartError> {
    let limit = START_LIMIT;
    let line = time::timeout(limit, first_line).await;
    let line = line.map_err(|_| StartError::Silent { name, limit })?;
    let line = line.map_err(|_| StartError::Ended { name })?;
    let url = line
        .trim_end()
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(": "));
    let origin = url.and_then(|url| url.strip_suffix('/'));
    Ok(origin.ok_or(StartError::Ended { name })?.to_owned())
}
