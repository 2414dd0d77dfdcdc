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
    /// The origins besides the server's own whose pages may send changes and show the timeline in a frame, separated by
    /// spaces.
    pub allowed_origins: String,
}

impl Settings {
    /// Returns which pages may show something of this server in a frame, as a Content-Security-Policy lists them
    /// (CSP Level 3, 6.4.2).
    #[must_use]
    pub fn frame_ancestors(&self) -> String {
        format!("'self' {}", self.allowed_origins)
            .trim_end()
            .to_owned()
    }
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
