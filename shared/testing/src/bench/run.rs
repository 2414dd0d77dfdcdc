//! [`run`]: puts the same load on a lesson's server, on the baseline and on the bare hub.

use std::io::{self, IsTerminal as _, Write as _};
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::task::LocalSet;
use tokio::{runtime, time};

use super::change_maker::ChangeMaker;
use super::clients::Clients;
use super::comparison::{Comparison, Responses};
use super::flags::Flags;
use super::measurement::{Measurement, Round, Traffic, Usage};
use super::technique::{Pattern, Technique};
use crate::ThreadTimes;
use crate::server::{Server, raise_file_limit};

/// How many files this process has open besides the connections of its clients.
const OTHER_FILES: u64 = 64;

/// How many servers the clients connect to: the lesson, the baseline and the bare hub.
const SERVERS: u64 = 3;

/// How long after the last change the idle time begins. After the last change all clients that use long polling send
/// the next request at the same moment, so all these requests end together, one period later. The delay ensures that
/// this moment is inside the idle time and not at its end.
const IDLE_DELAY: Duration = Duration::from_secs(1);

/// In how many rounds the changes are made, if there are enough changes. In each round the lesson sends a part of the
/// updates, and then the baseline and the bare hub send the same updates. So other work of the machine slows down all
/// of them equally.
const ROUNDS: u32 = 10;

/// How many changes one round has at most. While the others send their updates, the connections to the lesson are
/// idle, and the server closes them after 30 s. With polling each change takes a second.
const MAX_CHANGES_PER_ROUND: u32 = 10;

/// Measures what `technique` costs.
pub(super) fn run(mut technique: Technique, flags: &Flags) -> Result<Measurement, String> {
    let clients = limit_to_open_files(technique.lesson, flags.clients);
    if let (Pattern::Poll(interval), Some(pause)) = (&mut technique.pattern, flags.pause) {
        *interval = Duration::from_millis(pause);
    }
    let load = Load {
        technique,
        clients,
        updates: flags.updates,
        settles: flags.settles,
    };
    let idle = load.whole_periods(Duration::from_secs(flags.idle));
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    LocalSet::new().block_on(&runtime, load.run(idle))
}

/// Raises the limit of open files as far as possible, and returns how many of the `wanted` clients the limit allows.
/// This process needs three files for each client: its connections to the lesson, the baseline and the bare hub.
fn limit_to_open_files(lesson: &str, wanted: u32) -> u32 {
    raise_file_limit();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = SERVERS * u64::from(wanted) + OTHER_FILES;
    if needed <= limit {
        return wanted;
    }
    let allowed = u32::try_from(limit.saturating_sub(OTHER_FILES) / SERVERS)
        .unwrap_or(wanted)
        .max(1);
    eprintln!(
        "{lesson}: {wanted} clients need {needed} open files, and the system allows {limit}. Going on with \
         {allowed} clients; for all of them, run `ulimit -n {needed}` first (as root)."
    );
    allowed
}

/// The load for each server.
#[derive(Debug, Clone, Copy)]
struct Load {
    technique: Technique,
    clients: u32,
    updates: u32,
    /// Whether to wait until a server is idle before it is measured.
    settles: bool,
}

impl Load {
    /// Returns how many clients are connected when the memory is measured for the first time.
    fn first_clients(&self) -> u32 {
        self.clients / 10
    }

    /// Returns `time`, rounded up to whole idle periods. In half a period there could be one heartbeat or none.
    fn whole_periods(&self, time: Duration) -> Duration {
        let period = self.technique.idle_period;
        if period.is_zero() {
            return time;
        }
        let periods = time.as_secs_f64() / period.as_secs_f64();
        period.mul_f64(periods.ceil())
    }

    /// Runs all parts: the clients connect, the changes are made, and then nothing happens for the time `idle`.
    async fn run(&self, idle: Duration) -> Result<Measurement, String> {
        let mut measured = Measurement {
            lesson: self.technique.lesson,
            clients: self.clients,
            first_clients: self.first_clients(),
            updates: self.updates,
            ..Measurement::default()
        };
        let server = Server::start(self.technique.binary, &[]);
        let mut lesson = Contestant::new(self, "the lesson", server);
        measured.memory[..2].copy_from_slice(&self.connect(&lesson).await?);
        self.run_rounds(&mut lesson, &mut measured).await?;
        if !idle.is_zero() {
            self.progress(&format!("{} s without updates", idle.as_secs_f32()));
            time::sleep(IDLE_DELAY).await;
            let meter = Meter::start(&lesson);
            time::sleep(idle).await;
            measured.idle = meter.read(&lesson);
            lesson.clients.check()?;
        }
        measured.memory[2] = lesson.server.memory();
        self.progress("");
        Ok(measured)
    }

    /// Connects all clients. Returns the server's memory with the first tenth of them, and with all.
    async fn connect(&self, contestant: &Contestant) -> Result<[u64; 2], String> {
        let (clients, name) = (self.clients, contestant.name);
        self.progress(&format!("{clients} clients connect to {name}"));
        let (first, all) = (self.first_clients() as usize, self.clients as usize);
        contestant.clients.connect(0..first, all).await?;
        let memory_of_first = contestant.server.memory();
        contestant.clients.connect(first..all, all).await?;
        self.settle(&contestant.server).await;
        Ok([memory_of_first, contestant.server.memory()])
    }

    /// Makes the changes. In each round the lesson sends the updates first, and then the others.
    async fn run_rounds(
        &self,
        lesson: &mut Contestant,
        measured: &mut Measurement,
    ) -> Result<(), String> {
        let responses = self.record_responses(lesson).await?;
        let (mut baseline, _) = self.start(Comparison::Baseline, &responses).await?;
        let (mut bare_hub, memory) = self.start(Comparison::BareHub, &responses).await?;
        measured.bare_hub_memory[..2].copy_from_slice(&memory);
        let rounds = ROUNDS.max(self.updates.div_ceil(MAX_CHANGES_PER_ROUND));
        let up_to = |round| self.updates * round / rounds;
        for round in (1..=rounds).filter(|round| up_to(round - 1) < up_to(*round)) {
            lesson.clients.resume_polling();
            let meter = Meter::start(lesson);
            for number in up_to(round - 1) + 1..=up_to(round) {
                self.progress(&format!("change {number} of {}", self.updates));
                let made = lesson.make_change().await;
                made.map_err(|reason| format!("change {number}: {reason}"))?;
                measured.delays.extend(lesson.clients.delays());
            }
            let of_lesson = self.end_round(&meter, lesson).await;
            let updates = lesson.clients.take_recording();
            measured.rounds.push(Round {
                changes: up_to(round) - up_to(round - 1),
                lesson: of_lesson,
                baseline: self.replay(&updates, &mut baseline).await?,
                bare_hub: self.replay(&updates, &mut bare_hub).await?,
            });
        }
        measured.bare_hub_memory[2] = bare_hub.server.memory();
        lesson.clients.resume_polling();
        Ok(())
    }

    /// Makes a server send the updates that the lesson has sent. Returns the cost.
    async fn replay(
        &self,
        updates: &[Vec<u8>],
        contestant: &mut Contestant,
    ) -> Result<Usage, String> {
        contestant.clients.resume_polling();
        let meter = Meter::start(contestant);
        for update in updates {
            let sent = contestant.post_update(update).await;
            sent.map_err(|reason| format!("{}: {reason}", contestant.name))?;
        }
        Ok(self.end_round(&meter, contestant).await)
    }

    /// Returns the cost of the round for one server. It includes the work after all clients have the last update:
    /// perhaps all of them send the next request.
    async fn end_round(&self, meter: &Meter, contestant: &Contestant) -> Usage {
        contestant.clients.pause_polling();
        self.settle(&contestant.server).await;
        meter.read(contestant)
    }

    /// Waits until the server is idle.
    async fn settle(&self, server: &Server) {
        if self.settles {
            server.settle().await;
        }
    }

    /// Returns the responses of the `lesson` that are not updates.
    async fn record_responses(&self, lesson: &mut Contestant) -> Result<Responses, String> {
        let mut responses = Responses {
            first: lesson.clients.take_recording().concat(),
            unchanged: Vec::new(),
        };
        if let Pattern::Poll(_) = self.technique.pattern {
            let request = (self.technique.request)(Some(lesson.clients.latest_version()));
            let unchanged = lesson.change_maker.request(request.as_bytes()).await;
            responses.unchanged = unchanged.map_err(|error| error.to_string())?;
        }
        lesson.clients.pause_polling();
        Ok(responses)
    }

    /// Starts a server to compare with, and connects the same number of clients to it. Also returns its memory.
    async fn start(
        &self,
        server: Comparison,
        responses: &Responses,
    ) -> Result<(Contestant, [u64; 2]), String> {
        let name = server.name();
        let started = server.start_with(responses);
        let started = started.map_err(|error| format!("{name}: {error}"))?;
        let contestant = Contestant::new(self, name, started);
        let memory = self.connect(&contestant).await?;
        contestant.clients.pause_polling();
        self.settle(&contestant.server).await;
        Ok((contestant, memory))
    }

    /// Shows the progress on stderr. On a terminal the progress is one line, and an empty `step` removes it.
    fn progress(&self, step: &str) {
        let mut stderr = io::stderr().lock();
        let lesson = self.technique.lesson;
        let shown = if stderr.is_terminal() && step.is_empty() {
            write!(stderr, "\r\x1b[K")
        } else if stderr.is_terminal() {
            write!(stderr, "\r\x1b[K{lesson}: {step}").and_then(|()| stderr.flush())
        } else if step.is_empty() || step.starts_with("change") {
            Ok(())
        } else {
            writeln!(stderr, "{lesson}: {step}")
        };
        // If stderr is closed, the run continues without showing its progress.
        shown.ok();
    }
}

/// A server, its clients, and the client that makes the changes.
struct Contestant {
    name: &'static str,
    server: Server,
    clients: Rc<Clients>,
    client_count: usize,
    change_maker: ChangeMaker,
}

impl Contestant {
    /// Returns a contestant without connections.
    fn new(load: &Load, name: &'static str, server: Server) -> Self {
        Self {
            name,
            client_count: load.clients as usize,
            clients: Clients::new(load.technique, server.address()),
            change_maker: ChangeMaker::new(server.address()),
            server,
        }
    }

    /// Makes a change in the lesson, and waits until all clients have the update.
    async fn make_change(&mut self) -> Result<(), String> {
        self.expect_update();
        let made = self.change_maker.change().await;
        made.map_err(|error| error.to_string())?;
        self.clients.wait_until_reached(self.client_count).await
    }

    /// Posts an update to a server to compare with, and waits until all clients have it.
    async fn post_update(&mut self, update: &[u8]) -> Result<(), String> {
        self.expect_update();
        let posted = self.change_maker.post(update).await;
        posted.map_err(|error| error.to_string())?;
        self.clients.wait_until_reached(self.client_count).await
    }

    /// Tells the clients for which version they wait from now on.
    fn expect_update(&self) {
        let version = self.clients.latest_version() + 1;
        self.clients.await_version(version);
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        self.clients.disconnect();
    }
}

/// Measures a part of a run.
struct Meter {
    start: time::Instant,
    times: ThreadTimes,
    traffic: Traffic,
}

impl Meter {
    /// Starts the measurement.
    fn start(contestant: &Contestant) -> Self {
        Self {
            start: time::Instant::now(),
            times: contestant.server.thread_times(),
            traffic: contestant.clients.traffic(),
        }
    }

    /// Returns the resources that were used since the start.
    fn read(&self, contestant: &Contestant) -> Usage {
        Usage {
            processor: contestant.server.thread_times().since(&self.times),
            traffic: contestant.clients.traffic().since(self.traffic),
            time: self.start.elapsed(),
        }
    }
}
