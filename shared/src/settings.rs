//! [`Settings`]: the settings of this run, for the handlers. [`parse_seconds`]: the parser of flags that are times.

use std::num::ParseFloatError;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::catalog::Lesson;

/// The settings of this run.
#[derive(Debug)]
pub struct Settings {
    /// The time between two heartbeats of a stream or a WebSocket.
    pub heartbeat: Duration,
    /// The lesson that this server runs.
    pub lesson: Lesson,
    /// Whether `POST /cut` is allowed: only this machine can reach the server, and no flag switches the route off.
    pub can_cut: bool,
}

/// Parses a time in seconds, such as `15` or `0.5`, which must be in `range`.
///
/// # Errors
/// A message for the user, if `text` is not a number in `range`.
pub fn parse_seconds(text: &str, range: &RangeInclusive<f64>) -> Result<Duration, String> {
    let parsed = text.parse();
    let seconds: f64 = parsed.map_err(|error: ParseFloatError| error.to_string())?;
    if !range.contains(&seconds) {
        let (shortest, longest) = (range.start(), range.end());
        return Err(format!("must be between {shortest} and {longest} seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}
