//! One run: the lesson's server and then the limit, under the same load.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use std::{env, thread};

use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::{runtime, time};

use super::crowd::{Crowd, Traffic};
use super::limit::Tape;
use super::report::Row;
use super::usage::{ThreadTimes, memory};
use super::wire::{Wire, number_in};
use super::{Flags, Technique, Then};
use crate::testing::{Server, lesson, raise_file_limit};

/// How many files a process has open besides its clients.
const OTHER_FILES: u64 = 64;

/// How long everything has to come to rest before it is measured.
const REST: Duration = Duration::from_millis(200);

/// How long after the last change silence begins. All long polls that it answered end in the same moment, a
/// period later, which must not be the end of what is measured.
const LONG_REST: Duration = Duration::from_secs(1);

/// The user that comes and goes.
const ADD: &str = "POST /users HTTP/1.1\r\nHost: 127.0.0.1:8001\r\nContent-Type: application/json\r\n\
    Content-Length: 19\r\n\r\n{\"username\":\"news\"}";

/// What was used in a part of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Use {
    pub(super) processor: Duration,
    pub(super) traffic: Traffic,
    pub(super) time: Duration,
}

/// What a server was seen to do.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// From each change to each client.
    pub(super) delays: Vec<Duration>,
    pub(super) changes: Use,
    pub(super) silence: Use,
    /// The server's memory in bytes: with the first few clients, with all of them, at the end.
    pub(super) memory: [u64; 3],
    tape: Tape,
}

/// Puts the lesson and the limit under load.
pub(super) fn run(mut technique: Technique, flags: &Flags) -> Result<Row, String> {
    let clients = as_many_as_fit(technique.lesson, flags.clients);
    if let (Then::AskAfter(pause), Some(milliseconds)) = (&mut technique.then, flags.pause) {
        *pause = Duration::from_millis(milliseconds);
    }
    let load = Load {
        technique,
        clients,
        updates: flags.updates,
    };
    let server = Server::start(technique.binary, &[]);
    let seconds = Duration::from_secs(flags.idle);
    let measured = load.put_on(&server, "", load.whole_periods(seconds))?;
    drop(server);
    let limit = start_limit(&measured.tape).map_err(|error| format!("the limit: {error}"))?;
    let limit = load.put_on(&limit, ", the limit", Duration::ZERO)?;
    Ok(Row::new(&load, &measured, &limit))
}

/// Starts this program once more, as the limit.
pub(super) fn start_limit(tape: &Tape) -> io::Result<Server> {
    let program = env::current_exe()?;
    let mut command: Command = lesson(&program.to_string_lossy(), &["--limit"]);
    let (theirs, mut ours) = io::pipe()?;
    command.stdin(theirs);
    let line = serde_json::to_string(tape)? + "\n";
    // Written beside, because a pipe holds less than this. It stays open as long as this process lives.
    thread::spawn(move || {
        ours.write_all(line.as_bytes())
            .expect("a limit that listens");
        loop {
            thread::park();
        }
    });
    Ok(Server::spawn(command))
}

/// As many of the `wanted` clients as the limit for open files allows, after it was raised as far as
/// it goes. A lesson's server may need two for each.
fn as_many_as_fit(lesson: &str, wanted: u32) -> u32 {
    raise_file_limit();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = 2 * u64::from(wanted) + OTHER_FILES;
    if needed <= limit {
        return wanted;
    }
    let fitting = u32::try_from(limit.saturating_sub(OTHER_FILES) / 2)
        .unwrap_or(wanted)
        .max(1);
    eprintln!(
        "{lesson}: {wanted} clients need {needed} open files, and the system allows {limit}. Going on with \
         {fitting} clients; for all of them, run `ulimit -n {needed}` first (as root)."
    );
    fitting
}

/// What is put on a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) technique: Technique,
    pub(super) clients: u32,
    pub(super) updates: u32,
}

impl Load {
    /// How many clients come before memory is measured. What the server sets up for the first of them it has
    /// once, however many there are.
    pub(super) fn few(&self) -> u32 {
        self.clients / 10
    }

    /// So much time or a little more: in half a period between two heartbeats there is one or none.
    fn whole_periods(&self, time: Duration) -> Duration {
        let period = self.technique.silence;
        if period.is_zero() {
            return time;
        }
        let periods = time.as_secs_f64() / period.as_secs_f64();
        period.mul_f64(periods.ceil())
    }

    fn put_on(&self, server: &Server, which: &str, silence: Duration) -> Result<Measured, String> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        LocalSet::new().block_on(&runtime, self.drive(server, which, silence))
    }

    async fn drive(
        &self,
        server: &Server,
        which: &str,
        silence: Duration,
    ) -> Result<Measured, String> {
        let process = server.child.id();
        let memory = || memory(process).map_err(|error| format!("no memory in /proc: {error}"));
        let mut measured = Measured::default();
        let crowd = Crowd::new(self.technique, server.address());
        self.say(&format!("{} clients come{which}", self.clients));
        let (few, clients) = (self.few() as usize, self.clients as usize);
        crowd.attach(0..few, clients).await?;
        measured.memory[0] = memory()?;
        crowd.attach(few..clients, clients).await?;
        time::sleep(REST).await;
        measured.memory[1] = memory()?;

        let maker = Maker::connect(server.address()).await;
        let mut maker = maker.map_err(|error| error.to_string())?;
        let meter = Meter::start(process, &crowd)?;
        measured.delays = self.make_changes(&mut maker, &crowd, which).await?;
        measured.changes = meter.read(&crowd)?;
        if !silence.is_zero() {
            self.say(&format!("{} s of silence{which}", silence.as_secs_f32()));
            time::sleep(LONG_REST).await;
            let meter = Meter::start(process, &crowd)?;
            time::sleep(silence).await;
            measured.silence = meter.read(&crowd)?;
            crowd.check()?;
        }
        measured.memory[2] = memory()?;
        measured.tape = crowd.tape();
        if let Then::AskAfter(_) = self.technique.then {
            let request = (self.technique.request)(Some(crowd.version()));
            let nothing = maker.ask(&request).await;
            measured.tape.nothing = nothing.map_err(|error| error.to_string())?;
        }
        self.say("");
        Ok(measured)
    }

    /// Makes the changes, each awaited by all, and returns how long each took to each client.
    async fn make_changes(
        &self,
        maker: &mut Maker,
        crowd: &Crowd,
        which: &str,
    ) -> Result<Vec<Duration>, String> {
        let mut delays = Vec::new();
        for number in 1..=self.updates {
            self.say(&format!("change {number} of {}{which}", self.updates));
            let failed = |reason| format!("change {number}: {reason}");
            crowd.await_version(crowd.version() + 1);
            let made = maker.change().await;
            made.map_err(|error| failed(error.to_string()))?;
            let reached = crowd.reached(self.clients as usize).await;
            reached.map_err(failed)?;
            delays.extend(crowd.delays());
        }
        Ok(delays)
    }

    /// Shows on stderr how far it has come: on a terminal in one line, which goes away in the end.
    fn say(&self, what: &str) {
        let mut stderr = io::stderr().lock();
        let lesson = self.technique.lesson;
        let said = if !stderr.is_terminal() {
            let news = !what.is_empty() && !what.starts_with("change");
            if news {
                writeln!(stderr, "{lesson}: {what}")
            } else {
                Ok(())
            }
        } else if what.is_empty() {
            write!(stderr, "\r\x1b[K")
        } else {
            write!(stderr, "\r\x1b[K{lesson}: {what}").and_then(|()| stderr.flush())
        };
        // Without stderr it goes on in silence.
        said.ok();
    }
}

/// Measures a part of a run.
struct Meter {
    process: u32,
    start: time::Instant,
    times: ThreadTimes,
    traffic: Traffic,
}

impl Meter {
    fn start(process: u32, crowd: &Crowd) -> Result<Self, String> {
        Ok(Self {
            process,
            start: time::Instant::now(),
            times: Self::times(process)?,
            traffic: crowd.traffic(),
        })
    }

    fn read(&self, crowd: &Crowd) -> Result<Use, String> {
        Ok(Use {
            processor: Self::times(self.process)?.since(&self.times),
            traffic: crowd.traffic().since(self.traffic),
            time: self.start.elapsed(),
        })
    }

    fn times(process: u32) -> Result<ThreadTimes, String> {
        ThreadTimes::of(process).map_err(|error| format!("no processor times in /proc: {error}"))
    }
}

/// Whoever makes the changes, over a connection of its own.
struct Maker {
    stream: TcpStream,
    wire: Wire,
    /// The user that it has added and not removed again.
    added: Option<u64>,
}

impl Maker {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            wire: Wire::new(""),
            added: None,
        })
    }

    /// Adds a user or removes the one that was added.
    async fn change(&mut self) -> io::Result<()> {
        if let Some(id) = self.added.take() {
            let remove = format!("DELETE /users/{id} HTTP/1.1\r\nHost: 127.0.0.1:8001\r\n\r\n");
            self.ask(&remove).await?;
        } else {
            let answer = self.ask(ADD).await?;
            self.added = number_in(&answer, "id");
        }
        Ok(())
    }

    /// Sends a request and returns the whole answer.
    async fn ask(&mut self, request: &str) -> io::Result<Vec<u8>> {
        self.stream.write_all(request.as_bytes()).await?;
        while self.wire.message().map_err(io::Error::other)?.is_none() {
            if self.stream.read_buf(self.wire.room()).await? == 0 {
                return Err(io::Error::other("the server has closed the connection"));
            }
        }
        Ok(self.wire.last_message().to_vec())
    }
}
