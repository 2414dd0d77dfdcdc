//! Every transition of a ticket, and everything that is refused.

use std::time::{Duration, Instant};

use shared::users::Username;

use super::{Refusal, Secret, Status, Ticket};

const LIFETIME: Duration = Duration::from_secs(120);
const ALMOST_ALL: Duration = Duration::from_millis(119_999);

/// A ticket at some moment, seen by the browser that asked for it.
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
        assert_eq!(scene.collect(), Ok(confirmed()));
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

    fn collect(&mut self) -> Result<Status, Refusal> {
        self.ticket.collect(self.browser, self.now)
    }

    fn confirm(&mut self) -> Result<(), Refusal> {
        self.ticket.confirm(alice(), self.now)
    }

    /// Everything that a phone can try is refused for this reason and changes nothing.
    fn refuses_everything(&mut self, why: Refusal) {
        let before = self.status();
        assert_eq!(self.ticket.scan(self.now), Err(why));
        assert_eq!(self.confirm(), Err(why));
        assert_eq!(self.ticket.refuse(self.now), Err(why));
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
    assert_eq!(scene.collect(), Ok(Status::Waiting));
    assert_eq!(scene.ticket.scan(scene.now), Ok(()));
    assert_eq!(scene.collect(), Ok(Status::Scanned));
    assert_eq!(scene.confirm(), Ok(()));
    assert_eq!(scene.status(), confirmed(), "asking alone consumes nothing");
    assert_eq!(scene.collect(), Ok(confirmed()));
    assert_eq!(scene.collect(), Ok(Status::Consumed));
    assert_eq!(scene.collect(), Ok(Status::Consumed));
}

#[test]
fn a_link_that_is_opened_is_not_scanned() {
    let scene = Scene::waiting();
    assert_eq!(scene.ticket.open(scene.now), Ok(()));
    assert_eq!(scene.status(), Status::Waiting);
}

#[test]
fn what_was_not_scanned_cannot_be_confirmed() {
    let mut scene = Scene::waiting();
    assert_eq!(scene.confirm(), Err(Refusal::NotScanned));
    assert_eq!(scene.status(), Status::Waiting);
}

#[test]
fn a_page_that_is_loaded_again_scans_again() {
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
    assert_eq!(scene.collect(), Ok(Status::Refused));
    assert_eq!(scene.collect(), Ok(Status::Refused));
}

#[test]
fn an_end_is_final() {
    let mut scene = Scene::confirmed();
    scene.refuses_everything(Refusal::Confirmed);
    let mut scene = Scene::refused();
    scene.refuses_everything(Refusal::Refused);
    let mut scene = Scene::consumed();
    scene.refuses_everything(Refusal::Unknown);
}

#[test]
fn the_link_is_dead_once_the_ticket_is_consumed_and_not_before() {
    for scene in [Scene::scanned(), Scene::confirmed(), Scene::refused()] {
        assert_eq!(scene.ticket.open(scene.now), Ok(()));
    }
    let scene = Scene::consumed();
    assert_eq!(scene.ticket.open(scene.now), Err(Refusal::Unknown));
}

#[test]
fn another_browser_hears_nothing_and_consumes_nothing() {
    let mut scene = Scene::confirmed();
    let (other, unknown) = (Secret::random(), Err(Refusal::Unknown));
    assert_eq!(scene.ticket.status(other, scene.now), unknown);
    assert_eq!(scene.ticket.collect(other, scene.now), unknown);
    assert_eq!(scene.collect(), Ok(confirmed()));
}

#[test]
fn a_ticket_lasts_until_its_deadline_and_not_longer() {
    for mut scene in [Scene::waiting(), Scene::scanned()] {
        let (before, start) = (scene.status(), scene.now);
        scene.now = start + ALMOST_ALL;
        assert_eq!(scene.status(), before);
        scene.now = start + LIFETIME;
        assert_eq!(scene.status(), Status::Expired);
        assert_eq!(scene.ticket.open(scene.now), Err(Refusal::Unknown));
        scene.refuses_everything(Refusal::Unknown);
    }
}

#[test]
fn an_outcome_stays_what_it_is_when_the_time_has_run_out() {
    for mut scene in [Scene::confirmed(), Scene::consumed(), Scene::refused()] {
        let before = scene.status();
        scene.now += LIFETIME;
        assert_eq!(scene.status(), before);
        scene.refuses_everything(Refusal::Unknown);
    }
    let mut scene = Scene::confirmed();
    scene.now += LIFETIME;
    assert_eq!(scene.collect(), Ok(confirmed()));
    assert_eq!(scene.collect(), Ok(Status::Consumed));
}
