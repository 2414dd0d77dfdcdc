//! One run: the lesson's server and then the limit, under the same load.

use std::io::{self, IsTerminal as _, Write as _};
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::task::LocalSet;
use tokio::{runtime, time};

use super::baseline::{self, Answers};
use super::change_maker::Maker;
use super::clients::{Crowd, Traffic};
use super::report::Row;
use super::{Flags, Technique, Then};
use crate::proc::{ThreadTimes, memory};
use crate::server::{Server, raise_file_limit};

/// How many files a process has open besides its clients.
const OTHER_FILES: u64 = 64;

/// How long after the last change silence begins, at least. All long polls that it answered end in the same moment, a
/// period later, which must not be the end of what is measured.
const LONG_REST: Duration = Duration::from_secs(1);

/// In how many turns the changes are made, if there are as many. In each, the lesson makes its share of them, and then
/// the limit says the same, so that whatever else the machine does slows down both.
const TURNS: u32 = 10;

/// How many changes are made in one turn at most. Where clients ask every second, each change takes a second, and
/// a server ends a connection that has been silent for 30 s, as all of the lesson's are while the limit has its turn.
const CHANGES: u32 = 20;

/// What was used in a part of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Use {
    pub(super) processor: Duration,
    pub(super) traffic: Traffic,
    pub(super) time: Duration,
}

/// What was used for some changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) changes: u32,
    pub(super) lesson: Use,
    pub(super) limit: Use,
}

/// What the servers were seen to do.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// From each change to each client of the lesson.
    pub(super) delays: Vec<Duration>,
    pub(super) turns: Vec<Turn>,
    pub(super) silence: Use,
    /// The lesson's memory in bytes: with the first few clients, with all of them, at the end.
    pub(super) memory: [u64; 3],
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
        rest: Duration::from_millis(flags.rest),
    };
    let silence = load.whole_periods(Duration::from_secs(flags.idle));
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let measured = LocalSet::new().block_on(&runtime, load.put_on(silence))?;
    Ok(Row::new(&load, &measured))
}

/// As many of the `wanted` clients as the limit for open files allows, after it was raised as far as
/// it goes. A lesson's server may need two for each, and this process does: one to the lesson, one to the limit.
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
    /// How long everything has to come to rest before it is measured.
    rest: Duration,
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

    async fn put_on(&self, silence: Duration) -> Result<Measured, String> {
        let mut measured = Measured::default();
        let mut lesson = Side::new(self, Server::start(self.technique.binary, &[]));
        self.say(&format!("{} clients come", self.clients));
        let (few, clients) = (self.few() as usize, self.clients as usize);
        lesson.crowd.attach(0..few, clients).await?;
        measured.memory[0] = lesson.memory()?;
        lesson.crowd.attach(few..clients, clients).await?;
        time::sleep(self.rest).await;
        measured.memory[1] = lesson.memory()?;

        self.take_turns(&mut lesson, &mut measured).await?;
        if !silence.is_zero() {
            self.say(&format!("{} s of silence", silence.as_secs_f32()));
            time::sleep(LONG_REST).await;
            let meter = Meter::start(&lesson)?;
            time::sleep(silence).await;
            measured.silence = meter.read(&lesson)?;
            lesson.crowd.check()?;
        }
        measured.memory[2] = lesson.memory()?;
        self.say("");
        Ok(measured)
    }

    /// Makes the changes, by turns with the limit.
    async fn take_turns(&self, lesson: &mut Side, measured: &mut Measured) -> Result<(), String> {
        let mut limit = self.limit_of(lesson).await?;
        let turns = TURNS.max(self.updates.div_ceil(CHANGES));
        let up_to = |turn| self.updates * turn / turns;
        for turn in (1..=turns).filter(|turn| up_to(turn - 1) < up_to(*turn)) {
            lesson.crowd.resume();
            let meter = Meter::start(lesson)?;
            for number in up_to(turn - 1) + 1..=up_to(turn) {
                self.say(&format!("change {number} of {}", self.updates));
                let made = lesson.make_change(None, self.clients).await;
                made.map_err(|reason| format!("change {number}: {reason}"))?;
                measured.delays.extend(lesson.crowd.delays());
            }
            let of_lesson = self.end_turn(&meter, lesson).await?;

            limit.crowd.resume();
            let meter = Meter::start(&limit)?;
            for news in lesson.crowd.recorded() {
                let said = limit.make_change(Some(&news), self.clients).await;
                said.map_err(|reason| format!("the limit: {reason}"))?;
            }
            let of_limit = self.end_turn(&meter, &limit).await?;
            measured.turns.push(Turn {
                changes: up_to(turn) - up_to(turn - 1),
                lesson: of_lesson,
                limit: of_limit,
            });
        }
        lesson.crowd.resume();
        Ok(())
    }

    /// What the turn of `side` has cost, with what it still does when the last client has heard of the last change: a
    /// thousand clients may ask again.
    async fn end_turn(&self, meter: &Meter, side: &Side) -> Result<Use, String> {
        side.crowd.rest();
        time::sleep(self.rest).await;
        meter.read(side)
    }

    /// The limit, with as many clients as the `lesson`, whose first answers it gives.
    async fn limit_of(&self, lesson: &mut Side) -> Result<Side, String> {
        let mut answers = Answers {
            first: lesson.crowd.recorded().concat(),
            nothing: Vec::new(),
        };
        if let Then::AskAfter(_) = self.technique.then {
            let request = (self.technique.request)(Some(lesson.crowd.version()));
            let nothing = lesson.maker.ask(request.as_bytes()).await;
            answers.nothing = nothing.map_err(|error| error.to_string())?;
        }
        lesson.crowd.rest();
        let server = baseline::start(&answers).map_err(|error| format!("the limit: {error}"))?;
        let limit = Side::new(self, server);
        self.say(&format!("{} clients come, the limit", self.clients));
        let clients = self.clients as usize;
        limit.crowd.attach(0..clients, clients).await?;
        limit.crowd.rest();
        time::sleep(self.rest).await;
        Ok(limit)
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

/// A server, its clients, and who makes the changes.
struct Side {
    server: Server,
    crowd: Rc<Crowd>,
    maker: Maker,
}

impl Side {
    fn new(load: &Load, server: Server) -> Self {
        Self {
            crowd: Crowd::new(load.technique, server.address()),
            maker: Maker::new(server.address()),
            server,
        }
    }

    /// Makes a change, which is `news` if there is some, and waits until all `clients` have heard of it.
    async fn make_change(&mut self, news: Option<&[u8]>, clients: u32) -> Result<(), String> {
        self.crowd.await_version(self.crowd.version() + 1);
        let made = match news {
            None => self.maker.change().await,
            Some(news) => self.maker.post(news).await,
        };
        made.map_err(|error| error.to_string())?;
        self.crowd.reached(clients as usize).await
    }

    fn memory(&self) -> Result<u64, String> {
        memory(self.server.child.id()).map_err(|error| format!("no memory in /proc: {error}"))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.crowd.leave();
    }
}

/// Measures a part of a run.
struct Meter {
    start: time::Instant,
    times: ThreadTimes,
    traffic: Traffic,
}

impl Meter {
    fn start(side: &Side) -> Result<Self, String> {
        Ok(Self {
            start: time::Instant::now(),
            times: Self::times(side)?,
            traffic: side.crowd.traffic(),
        })
    }

    fn read(&self, side: &Side) -> Result<Use, String> {
        Ok(Use {
            processor: Self::times(side)?.since(&self.times),
            traffic: side.crowd.traffic().since(self.traffic),
            time: self.start.elapsed(),
        })
    }

    fn times(side: &Side) -> Result<ThreadTimes, String> {
        let times = ThreadTimes::of(side.server.child.id());
        times.map_err(|error| format!("no processor times in /proc: {error}"))
    }
}
