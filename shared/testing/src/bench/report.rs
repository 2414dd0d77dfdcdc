//! [`Row`]: the result of a run, as a row of the table and as JSON.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use serde::Serialize;
use serde_json::{Value, json};

use super::measurement::{Measurement, Round, Usage};

/// The head of the table. An update is one change that one client has received.
const HEAD: &str = "\
| technique | delay p50 | p99 | requests an update | bytes an update | CPU an update | × baseline | idle: bytes a minute | CPU a minute | memory |
|---|---|---|---|---|---|---|---|---|---|";

/// The cost of a lesson. Times are in microseconds. All numbers except the delays are for one client. Processor time
/// for an update or a message is the median of the rounds, so that a disturbance in a few rounds does not matter.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    lesson: String,
    clients: u32,
    updates: u32,
    idle_seconds: f64,
    delay_p50: f64,
    delay_p99: f64,
    requests_per_update: f64,
    bytes_per_update: f64,
    cpu_per_update: f64,
    /// For one response or event, with an update or without.
    cpu_per_message: f64,
    baseline_cpu_per_message: f64,
    times_baseline: f64,
    times_baseline_in_rounds: Vec<f64>,
    /// The same figure for the bare hub.
    bare_hub_times_baseline: f64,
    /// The bytes in a minute without updates; `None` if there was no idle time.
    bytes_per_minute: Option<f64>,
    /// The processor time in a minute without updates; `None` if there was no idle time.
    cpu_per_minute: Option<f64>,
    /// The memory in bytes after all clients had connected.
    memory_at_first: f64,
    /// The memory in bytes at the end.
    memory: f64,
    /// The memory of the bare hub in bytes after the last round.
    bare_hub_memory: f64,
}

impl Row {
    /// Calculates the row from what was measured.
    pub(super) fn new(measured: &Measurement) -> Self {
        let clients = f64::from(measured.clients);
        let deliveries = clients * f64::from(measured.updates);
        let rounds = &measured.rounds;
        let traffic = rounds.iter().map(|round| round.lesson.traffic);
        let requests: u64 = traffic.clone().map(|traffic| traffic.requests).sum();
        let bytes: u64 = traffic.map(|traffic| traffic.bytes).sum();
        let in_rounds =
            |figure: &dyn Fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<_>>();
        let times_baseline =
            in_rounds(&|round| per_message(round.lesson) / per_message(round.baseline));
        let minutes = measured.idle.time.as_secs_f64() / 60.0 * clients;
        let per_minute = |amount: f64| (minutes > 0.0).then(|| amount / minutes);
        let [memory_at_first, memory] = measured.memory_per_client(measured.memory);
        let [_, bare_hub_memory] = measured.memory_per_client(measured.bare_hub_memory);
        let delay = |percent| microseconds(percentile(&measured.delays, percent));
        Self {
            lesson: measured.lesson.into(),
            clients: measured.clients,
            updates: measured.updates,
            idle_seconds: measured.idle.time.as_secs_f64(),
            delay_p50: delay(50),
            delay_p99: delay(99),
            requests_per_update: requests as f64 / deliveries,
            bytes_per_update: bytes as f64 / deliveries,
            cpu_per_update: median(in_rounds(&|round| {
                microseconds(round.lesson.processor) / (clients * f64::from(round.changes))
            })),
            cpu_per_message: median(in_rounds(&|round| per_message(round.lesson))),
            baseline_cpu_per_message: median(in_rounds(&|round| per_message(round.baseline))),
            times_baseline: median(times_baseline.clone()),
            times_baseline_in_rounds: times_baseline,
            bare_hub_times_baseline: median(in_rounds(&|round| {
                per_message(round.bare_hub) / per_message(round.baseline)
            })),
            bytes_per_minute: per_minute(measured.idle.traffic.bytes as f64),
            cpu_per_minute: per_minute(microseconds(measured.idle.processor)),
            memory_at_first,
            memory,
            bare_hub_memory,
        }
    }

    /// Prints the row below the head of the table, and a line about the bare hub. `cargo bench` for all lessons prints
    /// one such table for each.
    pub(super) fn print(&self) {
        println!("{HEAD}\n{}", self.markdown());
        println!(
            "\nA bare hub in the same run: {:.2} × baseline, {:.1} KiB for each client.",
            self.bare_hub_times_baseline,
            self.bare_hub_memory / 1024.0
        );
    }

    /// Returns the row as Markdown.
    fn markdown(&self) -> String {
        let idle = |figure: Option<f64>, unit| {
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
            self.times_baseline,
            idle(self.bytes_per_minute, ""),
            idle(self.cpu_per_minute, " µs"),
            self.memory / 1024.0,
        )
    }

    /// Writes the row to `file`, a JSON array. The row replaces the lesson's earlier row. The rows of other lessons
    /// stay, so `cargo bench` for all lessons fills one file. A relative path starts at the workspace.
    pub(super) fn write(&self, file: &Path) -> Result<(), String> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let file = workspace.join(file);
        let written = self.write_to(&file);
        written.map_err(|error| format!("cannot write {}: {error}", file.display()))
    }

    fn write_to(&self, file: &Path) -> io::Result<()> {
        let mut rows: Vec<Value> = match fs::read(file) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        rows.retain(|row| row["lesson"] != self.lesson.as_str());
        rows.push(json!(self));
        fs::write(file, serde_json::to_string_pretty(&rows)? + "\n")
    }
}

/// Returns the processor time for one response or event, in microseconds.
fn per_message(used: Usage) -> f64 {
    microseconds(used.processor) / used.traffic.messages.max(1) as f64
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Returns the median of `figures`, or 0 if there are none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or_default();
    f64::midpoint(
        at(figures.len().saturating_sub(1) / 2),
        at(figures.len() / 2),
    )
}

/// Returns the smallest of the `times` that is at least as long as `percent` % of them (the nearest rank).
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
    fn one_outlier_does_not_change_the_median_much() {
        let near = |figures: Vec<f64>, expected: f64| (median(figures) - expected).abs() < 1e-9;
        assert!(near(vec![1.4, 90.0, 1.2, 1.3, 0.1], 1.3));
        assert!(near(vec![1.4, 1.2, 90.0, 1.3], 1.35));
        assert!(near(vec![1.4], 1.4));
        assert!(near(Vec::new(), 0.0));
    }

    #[test]
    fn a_file_holds_the_latest_row_of_each_lesson() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.json");
        for (lesson, clients) in [("sse", 1), ("polling", 2), ("sse", 3)] {
            let measured = Measurement {
                lesson,
                clients,
                ..Measurement::default()
            };
            Row::new(&measured).write(&file).unwrap();
        }
        let rows: Vec<Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| json!([row["lesson"], row["clients"]]))
            .collect();
        assert_eq!(rows, [json!(["polling", 2]), json!(["sse", 3])]);
        fs::write(&file, "{").unwrap();
        let error = Row::new(&Measurement::default()).write(&file);
        assert!(error.unwrap_err().contains("rows.json"));
    }
}
