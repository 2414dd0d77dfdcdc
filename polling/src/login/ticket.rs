//! [`Ticket`]: one login, from the QR code to its end.
//!
//! ```text
//! waiting ──scan──▶ scanned ──confirm──▶ confirmed ──the browser's poll──▶ consumed
//!    └──────┬──────────┴──refuse──▶ refused
//!           └──time──▶ expired
//! ```
//!
//! Nothing here waits or looks at a clock: whoever asks says what time it is, so that a test can be
//! at any moment it likes.

use std::time::Instant;

use serde::Serialize;
use shared::{error::Error, users::Username};

use super::secret::Secret;

/// One login.
#[derive(Debug)]
pub(super) struct Ticket {
    /// The browser that asked for it.
    browser: Secret,
    /// Until when a phone can do anything with it.
    deadline: Instant,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Waiting,
    Scanned,
    Confirmed { username: Username },
    Consumed,
    Refused,
}

/// What the browser is told, `{"status":"confirmed","username":"…"}` for example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum Status {
    Waiting,
    Scanned,
    Confirmed { username: Username },
    Consumed,
    Refused,
    Expired,
}

/// Why something cannot be done with a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is none with this id, or none that the one who asks has to do with. Which of these it is
    /// is not said: a guess must not learn that it was nearly right.
    Unknown,
    /// It was to be confirmed before it was scanned.
    NotScanned,
    Confirmed,
    Refused,
}

impl Ticket {
    pub(super) fn new(browser: Secret, deadline: Instant) -> Self {
        Self {
            browser,
            deadline,
            state: State::Waiting,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What `browser` may hear. An end stays what it is when the time has run out. A confirmation that
    /// came in time counts as well, or a person would read "confirmed" on the phone and
    /// "expired" on the screen.
    pub(super) fn status(&self, browser: Secret, now: Instant) -> Result<Status, Refusal> {
        if self.browser != browser {
            return Err(Refusal::Unknown);
        }
        Ok(match &self.state {
            State::Waiting | State::Scanned if now >= self.deadline => Status::Expired,
            State::Waiting => Status::Waiting,
            State::Scanned => Status::Scanned,
            State::Confirmed { username } => Status::Confirmed {
                username: username.clone(),
            },
            State::Consumed => Status::Consumed,
            State::Refused => Status::Refused,
        })
    }

    /// As [`Ticket::status`], and whoever hears "confirmed" uses the ticket up.
    pub(super) fn collect(&mut self, browser: Secret, now: Instant) -> Result<Status, Refusal> {
        let status = self.status(browser, now)?;
        if matches!(status, Status::Confirmed { .. }) {
            self.state = State::Consumed;
        }
        Ok(status)
    }

    /// What a phone finds here: nothing if the time has run out or the ticket is used up.
    fn for_phone(&self, now: Instant) -> Result<&State, Refusal> {
        if now >= self.deadline || matches!(self.state, State::Consumed) {
            return Err(Refusal::Unknown);
        }
        Ok(&self.state)
    }

    /// Whether a phone that opens the link still finds something. This changes nothing: a
    /// messenger that shows a preview of a link opens it as well.
    pub(super) fn open(&self, now: Instant) -> Result<(), Refusal> {
        self.for_phone(now).map(|_| ())
    }

    /// The phone's page is open. It may be opened again: a page that is loaded anew scans anew.
    pub(super) fn scan(&mut self, now: Instant) -> Result<(), Refusal> {
        match self.for_phone(now)? {
            State::Waiting | State::Scanned => {
                self.state = State::Scanned;
                Ok(())
            }
            state => Err(state.refusal()),
        }
    }

    /// Only what was scanned can be confirmed.
    pub(super) fn confirm(&mut self, username: Username, now: Instant) -> Result<(), Refusal> {
        match self.for_phone(now)? {
            State::Scanned => {
                self.state = State::Confirmed { username };
                Ok(())
            }
            state => Err(state.refusal()),
        }
    }

    /// What has not ended can be refused, scanned or not.
    pub(super) fn refuse(&mut self, now: Instant) -> Result<(), Refusal> {
        match self.for_phone(now)? {
            State::Waiting | State::Scanned => {
                self.state = State::Refused;
                Ok(())
            }
            state => Err(state.refusal()),
        }
    }
}

impl State {
    /// Why a phone cannot do in this state what it wants to do.
    fn refusal(&self) -> Refusal {
        match self {
            Self::Waiting | Self::Scanned => Refusal::NotScanned,
            Self::Confirmed { .. } => Refusal::Confirmed,
            Self::Refused => Refusal::Refused,
            Self::Consumed => Refusal::Unknown,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::not_found(
                "This login code is unknown here, used up or too old. Ask for a new code.",
            ),
            Refusal::NotScanned => Self::conflict(
                "This login code has not been scanned yet. Open its link on the phone first.",
            ),
            Refusal::Confirmed => Self::conflict("This login has been confirmed already."),
            Refusal::Refused => {
                Self::conflict("This login has been refused already. Ask for a new code.")
            }
        }
    }
}

#[cfg(test)]
mod tests;
