//! Tests of the roster with changes that arrive late, twice, or not at all.

use proptest::prelude::*;

use super::*;

fn change(version: u64, kind: ChangeKind, user: UserId) -> PresenceChange {
    let name = format!("user {user}");
    PresenceChange {
        version,
        kind,
        user,
        name,
    }
}

fn members(users: &[UserId]) -> BTreeMap<UserId, String> {
    let member = |&user: &UserId| (user, format!("user {user}"));
    users.iter().map(member).collect()
}

#[test]
fn a_server_that_is_alone_never_has_a_gap() {
    let mut roster = Roster::empty(7);
    for (kind, event) in [(ChangeKind::Joined, "joined"), (ChangeKind::Left, "left")] {
        let update = roster.apply(change(roster.next_version(), kind, 1));
        let Update::Announce(announced) = update else {
            panic!("{update:?}");
        };
        assert!(announced.json().contains(event), "{}", announced.json());
    }
    assert!(!roster.contains(1) && roster.is_known());
}

#[test]
fn a_missed_change_makes_the_roster_unknown() {
    let mut roster = Roster::unknown();
    let first = roster.replace(10, members(&[1]));
    assert!(matches!(first, Update::Announce(_)));
    let missed = roster.apply(change(12, ChangeKind::Joined, 3));
    assert!(matches!(missed, Update::Gap));
    assert!(roster.events_since(None).is_empty() && !roster.contains(1));
    let again = roster.replace(12, members(&[1, 2, 3]));
    assert!(matches!(again, Update::Announce(_)) && roster.contains(3));
    let repeated = roster.apply(change(12, ChangeKind::Joined, 3));
    assert!(matches!(repeated, Update::Unchanged));
}

/// A store that has lost its newest data has an older version than the changes that it sent before. The tempting wrong
/// answer waits for ever for a version that the store will not have.
#[test]
fn after_a_loss_of_data_the_second_reading_is_accepted() {
    let mut roster = Roster::unknown();
    roster.replace(10, members(&[1]));
    roster.apply(change(11, ChangeKind::Joined, 2));
    roster.invalidate();
    assert!(matches!(roster.replace(5, members(&[1])), Update::Gap));
    let second = roster.replace(5, members(&[1]));
    assert!(matches!(second, Update::Announce(_)) && roster.contains(1));
    let next = roster.apply(change(6, ChangeKind::Joined, 3));
    assert!(matches!(next, Update::Announce(_)));
}

/// In a room of thousands, encoding the whole roster for each newcomer would take too long.
#[test]
fn a_large_roster_is_not_encoded_for_each_newcomer() {
    let mut roster = Roster::empty(0);
    for user in 0..1_000 {
        roster.apply(change(roster.next_version(), ChangeKind::Joined, user));
    }
    let first = roster.events_since(None);
    assert_eq!(first.len(), 1);
    roster.apply(change(1_001, ChangeKind::Joined, 1_001));
    roster.apply(change(1_002, ChangeKind::Left, 5));
    let second = roster.events_since(None);
    assert!(Arc::ptr_eq(&first[0], &second[0]), "not encoded again");
    let kinds: Vec<_> = second
        .iter()
        .map(|event| event.json()[..18].to_owned())
        .collect();
    assert_eq!(
        kinds[1..],
        [r#"{"event":"joined","#, r#"{"event":"left","d"#]
    );
    // A reader that knows an earlier version gets only the changes.
    for (known, count) in [(1_000, 2), (1_001, 1), (1_002, 0), (7, 3)] {
        assert_eq!(roster.events_since(Some(known)).len(), count, "{known}");
    }
    // After many changes the whole roster is encoded again.
    for user in 2_000..2_100 {
        roster.apply(change(roster.next_version(), ChangeKind::Joined, user));
    }
    assert_eq!(roster.events_since(None).len(), 1);
}

/// A step of a test with one store and one server.
#[derive(Debug, Clone)]
enum Step {
    /// A user joins the room, or leaves it. `arrives` is whether the server receives the change.
    Change { user: UserId, arrives: bool },
    /// The server receives an old change again: the last one, or `back` changes before it.
    Repeat { back: usize },
    /// The server reads the roster. A user may join or leave before the roster arrives.
    Read { changed_meanwhile: Option<UserId> },
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..4_i64;
    prop_oneof![
        4 => (user.clone(), prop::bool::weighted(0.8))
            .prop_map(|(user, arrives)| Step::Change { user, arrives }),
        1 => (0..5_usize).prop_map(|back| Step::Repeat { back }),
        2 => prop::option::weighted(0.3, user)
            .prop_map(|changed_meanwhile| Step::Read { changed_meanwhile }),
    ]
}

/// The store, with all changes that it has sent.
struct Store {
    members: BTreeMap<UserId, String>,
    version: u64,
    sent: Vec<PresenceChange>,
}

impl Store {
    fn toggle(&mut self, user: UserId) -> PresenceChange {
        let kind = if self.members.remove(&user).is_some() {
            ChangeKind::Left
        } else {
            self.members.extend(members(&[user]));
            ChangeKind::Joined
        };
        self.version += 1;
        let change = change(self.version, kind, user);
        self.sent.push(change.clone());
        change
    }
}

proptest! {
    /// If the roster is known, it is the one that the store had at that version, even if changes were lost.
    #[test]
    fn a_known_roster_is_never_wrong(steps in prop::collection::vec(step(), 0..60)) {
        let mut store = Store { members: BTreeMap::new(), version: 100, sent: Vec::new() };
        let mut history = BTreeMap::from([(100, BTreeMap::new())]);
        let mut roster = Roster::unknown();
        for step in steps {
            match step {
                Step::Change { user, arrives } => {
                    let change = store.toggle(user);
                    if arrives {
                        roster.apply(change);
                    }
                }
                Step::Repeat { back } => {
                    if let Some(change) = store.sent.iter().rev().nth(back) {
                        roster.apply(change.clone());
                    }
                }
                Step::Read { changed_meanwhile } => {
                    let (version, members) = (store.version, store.members.clone());
                    if let Some(user) = changed_meanwhile {
                        let change = store.toggle(user);
                        history.insert(change.version, store.members.clone());
                        roster.apply(change);
                    }
                    roster.replace(version, members);
                }
            }
            history.insert(store.version, store.members.clone());
            if let Some(version) = roster.version {
                prop_assert_eq!(&roster.members, &history[&version]);
            }
        }
        // After two readings without a change in between, the roster is known again.
        roster.replace(store.version, store.members.clone());
        roster.replace(store.version, store.members.clone());
        prop_assert_eq!(roster.version, Some(store.version));
        prop_assert_eq!(roster.members, store.members);
    }
}
