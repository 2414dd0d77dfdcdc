//! What a run has shown, as a row of the table and as JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::run::{Load, Measured, Turn, Use};
use crate::proc::{invocation, parents_arguments};
use shared::catalog::LESSONS;

/// Lessons 1 to 5 are the same app, so that they stand side by side.
const SAME_APP: u8 = 5;

/// The head of the table. An update is one change as one client hears of it.
const HEAD: &str = "\
| technique | delay p50 | p99 | requests an update | bytes an update | CPU an update | × the limit | silence: bytes a minute | CPU a minute | memory |
|---|---|---|---|---|---|---|---|---|---|";

/// What a lesson costs. Times are in microseconds; everything but the delays is for one client. Processor
/// time is the median of the turns, so that something that disturbs a few of them does not matter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) lesson: String,
    /// Which `cargo bench` it was.
    invocation: String,
    pub(super) clients: u32,
    updates: u32,
    silence_seconds: f64,
    delay_p50: f64,
    delay_p99: f64,
    requests_per_update: f64,
    bytes_per_update: f64,
    cpu_per_update: f64,
    /// For one answer or event, whether it was news or not.
    cpu_per_message: f64,
    limit_cpu_per_message: f64,
    times_the_limit: f64,
    times_the_limit_in_turns: Vec<f64>,
    /// Without news, as the next one; none if silence was not measured.
    bytes_per_minute: Option<f64>,
    cpu_per_minute: Option<f64>,
    /// In bytes, when the clients had come and at the end.
    memory_at_first: f64,
    memory: f64,
}

impl Row {
    pub(super) fn new(load: &Load, measured: &Measured) -> Self {
        let clients = f64::from(load.clients);
        let deliveries = clients * f64::from(load.updates);
        let turns = &measured.turns;
        let traffic = turns.iter().map(|turn| turn.lesson.traffic);
        let requests: u64 = traffic.clone().map(|traffic| traffic.requests).sum();
        let bytes: u64 = traffic.map(|traffic| traffic.bytes).sum();
        let each = |used: Use| microseconds(used.processor) / used.traffic.messages.max(1) as f64;
        let in_turns = |figure: &dyn Fn(&Turn) -> f64| turns.iter().map(figure).collect::<Vec<_>>();
        let times_the_limit = in_turns(&|turn| each(turn.lesson) / each(turn.limit));
        let minutes = measured.silence.time.as_secs_f64() / 60.0 * clients;
        let a_minute = |amount: f64| (minutes > 0.0).then(|| amount / minutes);
        let [few, all, end] = measured.memory.map(|bytes| bytes as f64);
        let memory_at_first = (all - few) / f64::from(load.clients - load.few());
        let delay = |percent| microseconds(percentile(&measured.delays, percent));
        Self {
            lesson: load.technique.lesson.into(),
            invocation: invocation(),
            clients: load.clients,
            updates: load.updates,
            silence_seconds: measured.silence.time.as_secs_f64(),
            delay_p50: delay(50),
            delay_p99: delay(99),
            requests_per_update: requests as f64 / deliveries,
            bytes_per_update: bytes as f64 / deliveries,
            cpu_per_update: median(in_turns(&|turn| {
                microseconds(turn.lesson.processor) / (clients * f64::from(turn.changes))
            })),
            cpu_per_message: median(in_turns(&|turn| each(turn.lesson))),
            limit_cpu_per_message: median(in_turns(&|turn| each(turn.limit))),
            times_the_limit: median(times_the_limit.clone()),
            times_the_limit_in_turns: times_the_limit,
            bytes_per_minute: a_minute(measured.silence.traffic.bytes as f64),
            cpu_per_minute: a_minute(microseconds(measured.silence.processor)),
            memory_at_first,
            memory: memory_at_first + (end - all) / clients,
        }
    }

    /// The row as Markdown.
    fn markdown(&self) -> String {
        let silent = |figure: Option<f64>, unit| {
            figure.map_or("–".into(), |figure| format!("{figure:.0}{unit}"))
        };
        format!(
            "| {} | {:.1} ms | {:.1} ms | {:.2} | {:.0} | {:.1} µs | {:.2} | {} | {} | {:.1} KiB |",
            self.lesson,
            self.delay_p50 / 1e3,
            self.delay_p99 / 1e3,
            self.requests_per_update,
            self.bytes_per_update,
            self.cpu_per_update,
            self.times_the_limit,
            silent(self.bytes_per_minute, ""),
            silent(self.cpu_per_minute, " µs"),
            self.memory / 1024.0,
        )
    }
}

/// Prints the table and writes the figures. If it was `cargo bench` for all lessons, there is one table for
/// all of them, at the end and in the order of the catalog, not in cargo's: each run leaves its
/// row in a file beside the `binary`, and the one that completes the table prints it.
pub(super) fn publish(row: &Row, binary: &str, json: Option<&Path>) -> Result<(), String> {
    let rows = keep(row, binary).map_err(|error| format!("cannot keep the figures: {error}"))?;
    let all = LESSONS
        .iter()
        .filter(|lesson| lesson.number <= SAME_APP)
        .count();
    if !is_for_all(&parents_arguments()) {
        println!("{HEAD}\n{}", row.markdown());
    } else if rows.len() == all {
        let rows: Vec<_> = rows.iter().map(Row::markdown).collect();
        println!("{HEAD}\n{}", rows.join("\n"));
    }
    let Some(file) = json else { return Ok(()) };
    let file = workspace().join(file);
    let written = serde_json::to_string_pretty(&rows)
        .map_err(io::Error::from)
        .and_then(|text| fs::write(&file, text + "\n"));
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Keeps the row, and returns all rows of the same `cargo bench` in the order of the catalog.
fn keep(row: &Row, binary: &str) -> io::Result<Vec<Row>> {
    let folder = Path::new(binary).with_file_name("load");
    fs::create_dir_all(&folder)?;
    let file = |lesson: &str| folder.join(format!("{lesson}.json"));
    fs::write(file(&row.lesson), serde_json::to_string(row)?)?;
    let names = LESSONS.iter().map(|lesson| lesson.name);
    // A student's own lesson is in no catalog.
    let own = (!names.clone().any(|name| name == row.lesson)).then_some(row.lesson.as_str());
    let rows = names.chain(own).filter_map(|name| {
        let text = fs::read_to_string(file(name)).ok()?;
        serde_json::from_str(&text).ok()
    });
    Ok(rows
        .filter(|kept: &Row| kept.invocation == row.invocation)
        .collect())
}

/// Whether these arguments of cargo ask for all crates, so that further rows will follow.
fn is_for_all(arguments: &[String]) -> bool {
    let own = arguments.iter().take_while(|argument| *argument != "--");
    let mut own = own.skip(1);
    own.next().is_some_and(|command| command == "bench")
        && !own.any(|argument| {
            ["-p", "--package", "--exclude", "--manifest-path"]
                .iter()
                .any(|flag| argument.starts_with(flag))
        })
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The figure in the middle, or the mean of the two there; 0 of none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or_default();
    f64::midpoint(
        at(figures.len().saturating_sub(1) / 2),
        at(figures.len() / 2),
    )
}

/// The smallest time that `percent` of all `times` do not exceed (the nearest rank).
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100);
    times
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let times = |range: std::ops::RangeInclusive<u64>| -> Vec<_> {
            range.rev().map(Duration::from_millis).collect()
        };
        assert_eq!(percentile(&times(1..=100), 50), Duration::from_millis(50));
        assert_eq!(percentile(&times(1..=100), 99), Duration::from_millis(99));
        assert_eq!(percentile(&times(1..=3), 50), Duration::from_millis(2));
        assert_eq!(percentile(&times(1..=3), 99), Duration::from_millis(3));
        assert_eq!(percentile(&times(7..=7), 1), Duration::from_millis(7));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn one_wild_turn_leaves_the_median_where_it_is() {
        let near = |figures: Vec<f64>, expected: f64| (median(figures) - expected).abs() < 1e-9;
        assert!(near(vec![1.4, 90.0, 1.2, 1.3, 0.1], 1.3));
        assert!(near(vec![1.4, 1.2, 90.0, 1.3], 1.35));
        assert!(near(vec![1.4], 1.4));
        assert!(near(Vec::new(), 0.0));
    }

    #[test]
    fn only_a_bench_of_the_whole_workspace_waits_for_the_other_lessons() {
        let is_for_all = |line: &str| {
            let arguments: Vec<_> = line.split_whitespace().map(ToOwned::to_owned).collect();
            is_for_all(&arguments)
        };
        for line in [
            "cargo bench",
            "/bin/cargo bench --locked -- --clients 200",
            "cargo bench --workspace",
            "cargo bench -- -p",
        ] {
            assert!(is_for_all(line), "{line}");
        }
        for line in [
            "cargo bench -p sse",
            "cargo bench --package=sse -- --idle 0",
            "cargo bench --workspace --exclude sse",
            "bash",
            "",
        ] {
            assert!(!is_for_all(line), "{line}");
        }
    }
}
