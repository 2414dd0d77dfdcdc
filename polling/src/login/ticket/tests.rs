//! Every transition of a ticket, and every request that is rejected.

use std::time::{Duration, Instant};

use shared::users::Username;

use super::{REPEAT_OUTCOME, Secret, Status, Ticket, TicketError};

const LIFETIME: Duration = Duration::from_secs(120);
/// One millisecond less than a lifetime.
const ALMOST_LIFETIME: Duration = Duration::from_millis(119_999);

/// A ticket, the browser that created it, and the time.
struct Scene {
    ticket: Ticket,
    browser: Secret,
    now: Instant,
}

impl Scene {
    fn waiting() -> Self {
        let (browser, now) = (Secret::random(), Instant::now());
        let ticket = Ticket::new(browser, now + LIFETIME);
        Self {
            ticket,
            browser,
            now,
        }
    }

    fn scanned() -> Self {
        let mut scene = Self::waiting();
        scene.ticket.scan(scene.now).unwrap();
        scene
    }

    fn confirmed() -> Self {
        let mut scene = Self::scanned();
        scene.confirm().unwrap();
        scene
    }

    fn consumed() -> Self {
        let mut scene = Self::confirmed();
        assert_eq!(scene.poll(), Ok(confirmed()));
        scene.now += REPEAT_OUTCOME;
        scene
    }

    fn refused() -> Self {
        let mut scene = Self::scanned();
        scene.ticket.refuse(scene.now).unwrap();
        scene
    }

    fn status(&self) -> Status {
        self.ticket.status(self.browser, self.now).unwrap()
    }

    fn poll(&mut self) -> Result<Status, TicketError> {
        self.ticket.poll(self.browser, self.now)
    }

    fn confirm(&mut self) -> Result<(), TicketError> {
        self.ticket.confirm(alice(), self.now)
    }

    /// Checks that each request of a phone is rejected with `error` and changes nothing.
    fn rejects_everything(&mut self, error: TicketError) {
        let before = self.status();
        assert_eq!(self.ticket.scan(self.now), Err(error));
        assert_eq!(self.confirm(), Err(error));
        assert_eq!(self.ticket.refuse(self.now), Err(error));
        assert_eq!(self.status(), before);
    }
}

fn alice() -> Username {
    Username::parse("Alice").unwrap()
}

fn confirmed() -> Status {
    Status::Confirmed { username: alice() }
}

#[test]
fn a_login_goes_from_waiting_to_consumed() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.poll(), Ok(Status::Waiting));
    assert_eq!(scene.ticket.scan(scene.now), Ok(()));
    assert_eq!(scene.poll(), Ok(Status::Scanned));
    assert_eq!(scene.confirm(), Ok(()));
    assert_eq!(
        scene.status(),
        confirmed(),
        "reading the status consumes nothing"
    );
    assert_eq!(scene.poll(), Ok(confirmed()));
    scene.now += REPEAT_OUTCOME;
    assert_eq!(scene.poll(), Ok(Status::Consumed));
    assert_eq!(scene.poll(), Ok(Status::Consumed));
}

/// The first response may have been lost, and a browser repeats a GET whose connection broke. The tempting
/// wrong answer is "consumed", although the browser has not got the login.
#[test]
fn only_the_same_browser_gets_the_outcome_again() {
    let mut scene = Scene::confirmed();
    assert_eq!(scene.poll(), Ok(confirmed()));
    scene.now += REPEAT_OUTCOME.saturating_sub(Duration::from_millis(1));
    assert_eq!(scene.poll(), Ok(confirmed()));
    let other = Secret::random();
    assert_eq!(
        scene.ticket.poll(other, scene.now),
        Err(TicketError::Unknown)
    );
    scene.rejects_everything(TicketError::Unknown);
    scene.now += Duration::from_millis(1);
    assert_eq!(scene.poll(), Ok(Status::Consumed), "not ten seconds more");
}

#[test]
fn opening_the_link_does_not_scan() {
    let scene = Scene::waiting();
    assert_eq!(scene.ticket.check_open(scene.now), Ok(()));
    assert_eq!(scene.status(), Status::Waiting);
}

#[test]
fn a_ticket_cannot_be_confirmed_before_it_is_scanned() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.confirm(), Err(TicketError::NotScanned));
    assert_eq!(scene.status(), Status::Waiting);
}

#[test]
fn a_page_that_is_reloaded_scans_again() {
    let mut scene = Scene::scanned();
    assert_eq!(scene.ticket.scan(scene.now), Ok(()));
    assert_eq!(scene.status(), Status::Scanned);
    assert_eq!(scene.confirm(), Ok(()));
}

#[test]
fn a_login_can_be_refused_before_and_after_the_scan() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.ticket.refuse(scene.now), Ok(()));
    assert_eq!(scene.status(), Status::Refused);
    let mut scene = Scene::refused();
    assert_eq!(scene.poll(), Ok(Status::Refused));
    assert_eq!(scene.poll(), Ok(Status::Refused));
}

#[test]
fn an_outcome_is_final() {
    let mut scene = Scene::confirmed();
    scene.rejects_everything(TicketError::AlreadyConfirmed);
    let mut scene = Scene::refused();
    scene.rejects_everything(TicketError::AlreadyRefused);
    let mut scene = Scene::consumed();
    scene.rejects_everything(TicketError::Unknown);
}

#[test]
fn the_link_works_until_the_ticket_is_consumed() {
    for scene in [Scene::scanned(), Scene::confirmed(), Scene::refused()] {
        assert_eq!(scene.ticket.check_open(scene.now), Ok(()));
    }
    let scene = Scene::consumed();
    assert_eq!(
        scene.ticket.check_open(scene.now),
        Err(TicketError::Unknown)
    );
}

#[test]
fn another_browser_sees_nothing_and_consumes_nothing() {
    let mut scene = Scene::confirmed();
    let (other, unknown) = (Secret::random(), Err(TicketError::Unknown));
    assert_eq!(scene.ticket.status(other, scene.now), unknown);
    assert_eq!(scene.ticket.poll(other, scene.now), unknown);
    assert_eq!(scene.poll(), Ok(confirmed()));
}

#[test]
fn a_ticket_expires_at_its_deadline() {
    for mut scene in [Scene::waiting(), Scene::scanned()] {
        let (before, start) = (scene.status(), scene.now);
        scene.now = start + ALMOST_LIFETIME;
        assert_eq!(scene.status(), before);
        scene.now = start + LIFETIME;
        assert_eq!(scene.status(), Status::Expired);
        assert_eq!(
            scene.ticket.check_open(scene.now),
            Err(TicketError::Unknown)
        );
        scene.rejects_everything(TicketError::Unknown);
    }
}

#[test]
fn an_outcome_does_not_expire() {
    for mut scene in [Scene::confirmed(), Scene::consumed(), Scene::refused()] {
        let before = scene.status();
        scene.now += LIFETIME;
        assert_eq!(scene.status(), before);
        scene.rejects_everything(TicketError::Unknown);
    }
    let mut scene = Scene::confirmed();
    scene.now += LIFETIME;
    assert_eq!(scene.poll(), Ok(confirmed()));
    scene.now += REPEAT_OUTCOME;
    assert_eq!(scene.poll(), Ok(Status::Consumed));
}
