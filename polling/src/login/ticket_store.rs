//! [`TicketStore`]: the tickets of all browsers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::secret::Secret;
use super::ticket::{Ticket, TicketError};

/// How many tickets are stored at most; a new one then replaces the oldest. A ticket takes about 300
/// bytes, so all of them take 3 MB. At fewer than 80 new tickets a second, each is stored for the usual
/// two minutes.
pub(super) const MAX_TICKETS: usize = 10_000;

/// How long a ticket is stored after its deadline, so that the browser can still get the outcome. In a
/// tab that has been hidden for long, a browser runs timers only once a minute.
const RETENTION: Duration = Duration::from_secs(90);

/// The tickets of all browsers.
///
/// There is no cleanup task: [`TicketStore::create`] removes tickets that are too old, and
/// [`TicketStore::with_ticket`] ignores them.
#[derive(Debug, Default)]
pub(crate) struct TicketStore(Mutex<Tickets>);

/// Two ways to find a ticket: by its id, and by its age.
#[derive(Debug, Default)]
struct Tickets {
    by_id: HashMap<Secret, Ticket>,
    /// The ids, oldest ticket first. All tickets have the same lifetime, so the oldest one expires first.
    by_age: VecDeque<Secret>,
}

impl TicketStore {
    /// Creates a ticket for `browser` and returns its id.
    pub(super) fn create(&self, browser: Secret, lifetime: Duration, now: Instant) -> Secret {
        let id = Secret::random();
        let ticket = Ticket::new(browser, now + lifetime);
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.evict(now);
        tickets.by_age.push_back(id);
        tickets.by_id.insert(id, ticket);
        id
    }

    /// Returns whether a ticket that is stored belongs to this browser.
    pub(super) fn is_known(&self, browser: Secret, now: Instant) -> bool {
        let tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = tickets.by_id.values();
        all.any(|ticket| ticket.belongs_to(browser) && is_retained(ticket, now))
    }

    /// Calls `work` with the ticket `id`. All tickets are locked until `work` returns.
    pub(super) fn with_ticket<T>(
        &self,
        id: Secret,
        now: Instant,
        work: impl FnOnce(&mut Ticket) -> Result<T, TicketError>,
    ) -> Result<T, TicketError> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match tickets.by_id.get_mut(&id) {
            Some(ticket) if is_retained(ticket, now) => work(ticket),
            _ => Err(TicketError::Unknown),
        }
    }
}

impl Tickets {
    /// Removes the tickets that are too old, and the oldest one if there is no room for another.
    fn evict(&mut self, now: Instant) {
        while let Some(oldest) = self.by_age.front() {
            let full = self.by_age.len() >= MAX_TICKETS;
            let ticket = self.by_id.get(oldest);
            if !full && ticket.is_some_and(|ticket| is_retained(ticket, now)) {
                return;
            }
            self.by_id.remove(oldest);
            self.by_age.pop_front();
        }
    }
}

/// Returns whether the browser can still get the status of the ticket.
fn is_retained(ticket: &Ticket, now: Instant) -> bool {
    now < ticket.deadline() + RETENTION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::ticket::Status;

    const LIFETIME: Duration = Duration::from_secs(120);

    fn count(store: &TicketStore) -> usize {
        let tickets = store.0.lock().unwrap();
        assert_eq!(tickets.by_id.len(), tickets.by_age.len());
        tickets.by_id.len()
    }

    #[test]
    fn in_a_full_store_a_new_ticket_replaces_the_oldest() {
        let (store, browser, now) = (TicketStore::default(), Secret::random(), Instant::now());
        let mut create = || store.create(browser, LIFETIME, now);
        let ids: Vec<_> = std::iter::repeat_with(&mut create)
            .take(MAX_TICKETS)
            .collect();
        let status = |id| store.with_ticket(id, now, |ticket| ticket.status(browser, now));
        assert_eq!(status(ids[0]), Ok(Status::Waiting));
        let latest = create();
        assert_eq!(count(&store), MAX_TICKETS);
        assert_eq!(status(ids[0]), Err(TicketError::Unknown));
        assert_eq!(status(ids[1]), Ok(Status::Waiting));
        assert_eq!(status(latest), Ok(Status::Waiting));
    }

    #[test]
    fn an_expired_ticket_is_retained_for_its_browser_and_then_removed() {
        let (store, browser, start) = (TicketStore::default(), Secret::random(), Instant::now());
        let id = store.create(browser, LIFETIME, start);
        let status = |now| store.with_ticket(id, now, |ticket| ticket.status(browser, now));
        let end = start + LIFETIME + RETENTION;
        let before_end = end.checked_sub(Duration::from_millis(1)).unwrap();

        store.create(browser, LIFETIME, before_end);
        assert_eq!(status(before_end), Ok(Status::Expired));
        assert_eq!(
            status(end),
            Err(TicketError::Unknown),
            "also before it is removed"
        );
        assert_eq!(count(&store), 2);
        store.create(browser, LIFETIME, end);
        assert_eq!(count(&store), 2);
        assert_eq!(status(before_end), Err(TicketError::Unknown));
    }

    #[test]
    fn all_tickets_that_are_too_old_are_removed_together() {
        let (store, browser, start) = (TicketStore::default(), Secret::random(), Instant::now());
        for _ in 0..100 {
            store.create(browser, LIFETIME, start);
        }
        store.create(browser, LIFETIME, start + 2 * LIFETIME);
        assert_eq!(count(&store), 1);
    }

    #[test]
    fn a_panic_with_a_ticket_does_not_lock_the_store() {
        let (store, browser, now) = (TicketStore::default(), Secret::random(), Instant::now());
        let id = store.create(browser, LIFETIME, now);
        let panics = || store.with_ticket(id, now, |_| -> Result<(), _> { panic!("on purpose") });
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
        let status = store.with_ticket(id, now, |ticket| ticket.status(browser, now));
        assert_eq!(status, Ok(Status::Waiting));
    }
}
