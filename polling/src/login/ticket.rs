//! [`Ticket`]: one login, from the QR code to its end.
//!
//! ```text
//! waiting ──scan──▶ scanned ──confirm──▶ confirmed ──10 s after the browser's first poll──▶ consumed
//!    └──────┬──────────┴──refuse──▶ refused
//!           └──time──▶ expired
//! ```
//!
//! The code here neither waits nor reads a clock. The caller passes the time, so a test can choose it.

use std::time::{Duration, Instant};

use serde::Serialize;
use shared::{error::Error, users::Username};

use super::secret::Secret;

/// How long the browser can get the outcome again after the first time. The first response may be lost
/// when a connection breaks. Without a second one, the login would be lost, too.
const REPEAT_OUTCOME: Duration = Duration::from_secs(10);

/// One login.
#[derive(Debug)]
pub(super) struct Ticket {
    /// The secret of the browser that created the ticket.
    browser: Secret,
    /// The time until which a phone can use the ticket.
    deadline: Instant,
    state: State,
}

/// The state of a ticket. "Expired" is no state here, because it follows from the time.
#[derive(Debug, Clone)]
enum State {
    Waiting,
    Scanned,
    Confirmed {
        username: Username,
    },
    /// The browser has received the outcome. The first time was at `since`.
    Consumed {
        username: Username,
        since: Instant,
    },
    Refused,
}

/// The status that the browser gets, for example `{"status":"confirmed","username":"…"}`.
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

/// Why a request for a ticket is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TicketError {
    /// There is no ticket with this id, or it is too old, used up, or belongs to another browser. The
    /// response is the same in all cases, because an attacker who guesses ids must not learn which exist.
    Unknown,
    /// The phone has to scan the ticket before it can confirm.
    NotScanned,
    /// The login was confirmed before.
    AlreadyConfirmed,
    /// The login was refused before.
    AlreadyRefused,
}

impl Ticket {
    /// Creates a ticket for `browser` that a phone can use until `deadline`.
    pub(super) fn new(browser: Secret, deadline: Instant) -> Self {
        Self {
            browser,
            deadline,
            state: State::Waiting,
        }
    }

    /// Returns the time until which a phone can use the ticket.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the status, if the ticket belongs to `browser`.
    ///
    /// Only a ticket without an outcome expires. A ticket that was confirmed in time stays confirmed
    /// after its deadline: otherwise the phone would show "confirmed" and the screen "expired".
    pub(super) fn status(&self, browser: Secret, now: Instant) -> Result<Status, TicketError> {
        if self.browser != browser {
            return Err(TicketError::Unknown);
        }
        Ok(match &self.state {
            State::Waiting | State::Scanned if now >= self.deadline => Status::Expired,
            State::Waiting => Status::Waiting,
            State::Scanned => Status::Scanned,
            State::Consumed { since, .. } if now >= *since + REPEAT_OUTCOME => Status::Consumed,
            State::Confirmed { username } | State::Consumed { username, .. } => Status::Confirmed {
                username: username.clone(),
            },
            State::Refused => Status::Refused,
        })
    }

    /// Returns the status, as [`Ticket::status`] does, and consumes the ticket if it is confirmed. The same browser
    /// gets the same outcome for a while after that.
    pub(super) fn poll(&mut self, browser: Secret, now: Instant) -> Result<Status, TicketError> {
        let status = self.status(browser, now)?;
        if let State::Confirmed { username } = &self.state {
            self.state = State::Consumed {
                username: username.clone(),
                since: now,
            };
        }
        Ok(status)
    }

    /// Returns whether the ticket belongs to this browser.
    pub(super) fn belongs_to(&self, browser: Secret) -> bool {
        self.browser == browser
    }

    /// Returns the state that a phone may see. After the deadline, or when the ticket is used up, the
    /// ticket is unknown to phones.
    fn state_for_phone(&self, now: Instant) -> Result<&State, TicketError> {
        if now >= self.deadline || matches!(self.state, State::Consumed { .. }) {
            return Err(TicketError::Unknown);
        }
        Ok(&self.state)
    }

    /// Checks that the phone's page may be opened. This changes nothing, because a messenger that
    /// shows a preview of a link opens the page, too.
    pub(super) fn check_open(&self, now: Instant) -> Result<(), TicketError> {
        self.state_for_phone(now).map(|_| ())
    }

    /// Marks the ticket as scanned. A second scan is allowed: a page that is reloaded sends one.
    pub(super) fn scan(&mut self, now: Instant) -> Result<(), TicketError> {
        match self.state_for_phone(now)? {
            State::Waiting | State::Scanned => {
                self.state = State::Scanned;
                Ok(())
            }
            state => Err(state.error()),
        }
    }

    /// Confirms the login as `username`. The ticket must have been scanned before.
    pub(super) fn confirm(&mut self, username: Username, now: Instant) -> Result<(), TicketError> {
        match self.state_for_phone(now)? {
            State::Scanned => {
                self.state = State::Confirmed { username };
                Ok(())
            }
            state => Err(state.error()),
        }
    }

    /// Refuses the login, whether the ticket was scanned or not.
    pub(super) fn refuse(&mut self, now: Instant) -> Result<(), TicketError> {
        match self.state_for_phone(now)? {
            State::Waiting | State::Scanned => {
                self.state = State::Refused;
                Ok(())
            }
            state => Err(state.error()),
        }
    }
}

impl State {
    /// Returns why a phone's request is rejected in this state.
    fn error(&self) -> TicketError {
        match self {
            Self::Waiting | Self::Scanned => TicketError::NotScanned,
            Self::Confirmed { .. } => TicketError::AlreadyConfirmed,
            Self::Refused => TicketError::AlreadyRefused,
            Self::Consumed { .. } => TicketError::Unknown,
        }
    }
}

impl From<TicketError> for Error {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Unknown => Self::not_found(
                "This login code is unknown here, used up or too old. Ask for a new code.",
            ),
            TicketError::NotScanned => Self::conflict(
                "This login code has not been scanned yet. Open its link on the phone first.",
            ),
            TicketError::AlreadyConfirmed => {
                Self::conflict("This login has been confirmed already.")
            }
            TicketError::AlreadyRefused => {
                Self::conflict("This login has been refused already. Ask for a new code.")
            }
        }
    }
}

#[cfg(test)]
mod tests;
