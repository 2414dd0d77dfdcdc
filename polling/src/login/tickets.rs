//! [`Tickets`]: the tickets of all browsers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::secret::Secret;
use super::ticket::{Refusal, Ticket};

/// The most tickets at a time; the oldest makes room for the next. A ticket takes some 300 bytes, so
/// all of them take 3 MB. While fewer than 80 come in a second, each has its usual two minutes.
pub(super) const MAX_TICKETS: usize = 10_000;

/// How long a ticket is kept after its deadline, so that the browser can still hear how it ended. A
/// browser lets a page that nobody looks at poll only once a minute.
const KEPT_AFTER_DEADLINE: Duration = Duration::from_secs(90);

/// The tickets of all browsers. Nobody comes by to tidy up: a new ticket first removes those that
/// have had their time, and a ticket that has is not found any more.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<Store>);

/// Both hold the same tickets.
#[derive(Debug, Default)]
struct Store {
    by_id: HashMap<Secret, Ticket>,
    /// The oldest first. All live equally long, so the oldest is also the next to go.
    by_age: VecDeque<Secret>,
}

impl Tickets {
    /// Makes a ticket that `browser` can ask for, and returns its id.
    pub(super) fn create(&self, browser: Secret, lifetime: Duration, now: Instant) -> Secret {
        let id = Secret::random();
        let ticket = Ticket::new(browser, now + lifetime);
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.make_room(now);
        store.by_age.push_back(id);
        store.by_id.insert(id, ticket);
        id
    }

    /// Does `work` with the ticket `id`. Nobody else can do anything to any ticket meanwhile.
    pub(super) fn with<T>(
        &self,
        id: Secret,
        now: Instant,
        work: impl FnOnce(&mut Ticket) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = store.by_id.get_mut(&id).filter(|ticket| kept(ticket, now));
        work(ticket.ok_or(Refusal::Unknown)?)
    }
}

impl Store {
    /// Removes the tickets that have had their time, and at least one if there are too many.
    fn make_room(&mut self, now: Instant) {
        while let Some(oldest) = self.by_age.front() {
            let full = self.by_age.len() >= MAX_TICKETS;
            let ticket = self.by_id.get(oldest);
            if !full && ticket.is_some_and(|ticket| kept(ticket, now)) {
                return;
            }
            self.by_id.remove(oldest);
            self.by_age.pop_front();
        }
    }
}

/// Whether the ticket is still there for its browser.
fn kept(ticket: &Ticket, now: Instant) -> bool {
    now < ticket.deadline() + KEPT_AFTER_DEADLINE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::ticket::Status;

    const LIFETIME: Duration = Duration::from_secs(120);

    fn count(tickets: &Tickets) -> usize {
        let store = tickets.0.lock().unwrap();
        assert_eq!(store.by_id.len(), store.by_age.len());
        store.by_id.len()
    }

    #[test]
    fn the_ticket_after_the_last_that_fits_drops_the_oldest() {
        let (tickets, browser, now) = (Tickets::default(), Secret::random(), Instant::now());
        let mut create = || tickets.create(browser, LIFETIME, now);
        let ids: Vec<_> = std::iter::repeat_with(&mut create)
            .take(MAX_TICKETS)
            .collect();
        let status = |id| tickets.with(id, now, |ticket| ticket.status(browser, now));
        assert_eq!(status(ids[0]), Ok(Status::Waiting));
        let newest = create();
        assert_eq!(count(&tickets), MAX_TICKETS);
        assert_eq!(status(ids[0]), Err(Refusal::Unknown));
        assert_eq!(status(ids[1]), Ok(Status::Waiting));
        assert_eq!(status(newest), Ok(Status::Waiting));
    }

    #[test]
    fn an_expired_ticket_is_kept_for_its_browser_and_then_removed() {
        let (tickets, browser, start) = (Tickets::default(), Secret::random(), Instant::now());
        let id = tickets.create(browser, LIFETIME, start);
        let status = |now| tickets.with(id, now, |ticket| ticket.status(browser, now));
        let end = start + LIFETIME + KEPT_AFTER_DEADLINE;
        let before_end = end.checked_sub(Duration::from_millis(1)).unwrap();

        tickets.create(browser, LIFETIME, before_end);
        assert_eq!(status(before_end), Ok(Status::Expired));
        assert_eq!(
            status(end),
            Err(Refusal::Unknown),
            "also before it is removed"
        );
        assert_eq!(count(&tickets), 2);
        tickets.create(browser, LIFETIME, end);
        assert_eq!(count(&tickets), 2);
        assert_eq!(status(before_end), Err(Refusal::Unknown));
    }

    #[test]
    fn all_that_have_had_their_time_go_at_once() {
        let (tickets, browser, start) = (Tickets::default(), Secret::random(), Instant::now());
        for _ in 0..100 {
            tickets.create(browser, LIFETIME, start);
        }
        tickets.create(browser, LIFETIME, start + 2 * LIFETIME);
        assert_eq!(count(&tickets), 1);
    }

    #[test]
    fn a_panic_while_a_ticket_is_in_use_does_not_lock_everybody_out() {
        let (tickets, browser, now) = (Tickets::default(), Secret::random(), Instant::now());
        let id = tickets.create(browser, LIFETIME, now);
        let panics = || tickets.with(id, now, |_| -> Result<(), _> { panic!("on purpose") });
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
        let status = tickets.with(id, now, |ticket| ticket.status(browser, now));
        assert_eq!(status, Ok(Status::Waiting));
    }
}
