//! Delivers what all servers publish in Redis to the rooms of this server.

use std::error::Error as StdError;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::RedisError;
use redis::aio::PubSub;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::connection::Redis;
use super::messages::{Entry, parse_message};
use super::presence::LEASE;
use crate::input::RoomName;
use crate::room::{ChangeKind, PresenceChange, Rooms};

/// How long to wait before the next attempt to subscribe. A Redis that starts again gets one attempt a second from each
/// server.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Subscribes to all channels of the chat.
pub(super) async fn subscribe(redis: &Redis) -> Result<PubSub, RedisError> {
    let channels = [
        "chat:message",
        "chat:presence",
        "chat:typing",
        "chat:heartbeat",
    ];
    redis.subscribe(&channels).await
}

/// Delivers what is published to `rooms`, for as long as the server runs. Subscribes if there is no subscription yet, and
/// again when a subscription ends.
pub(super) async fn run(mut subscription: Option<PubSub>, rooms: Rooms, redis: Redis) {
    loop {
        if let Some(subscription) = subscription.take() {
            // What was published before this subscription did not arrive.
            rooms.signal_gap();
            tokio::select! {
                () = deliver_all(subscription, &rooms) => {}
                // A replica publishes what its primary publishes, but not what it missed before it was a replica.
                () = redis.replica_found() => {}
            }
            log::error!("the subscription to Redis has ended; subscribing again");
        }
        sleep(RETRY_DELAY).await;
        subscription = subscribe(&redis).await.ok();
    }
}

/// Delivers messages until the connection is closed or dead. Every server publishes heartbeats, this one included, so a
/// connection that is silent for `LEASE` is dead.
async fn deliver_all(subscription: PubSub, rooms: &Rooms) {
    let mut messages = subscription.into_on_message();
    let lease = Duration::from_secs(LEASE);
    loop {
        let Ok(Some(message)) = timeout(lease, messages.next()).await else {
            return; // The connection was silent, or it is closed.
        };
        let delivered = deliver(
            message.get_channel_name(),
            message.get_payload_bytes(),
            rooms,
        );
        if let Err(error) = delivered {
            log::error!("cannot read a message from Redis: {error}");
        }
    }
}

/// A change of a roster as `presence.lua` publishes it: a JSON array of five strings.
#[derive(Deserialize)]
struct PublishedChange {
    room: String,
    version: String,
    event: String,
    user: String,
    name: String,
}

fn deliver(
    channel: &str,
    payload: &[u8],
    rooms: &Rooms,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    match channel {
        "chat:message" => {
            let (room, entry): (String, Entry) = serde_json::from_slice(payload)?;
            let message = parse_message(entry).ok_or("an entry that is not a message")?;
            rooms.publish(&RoomName::parse(&room)?, &message);
        }
        "chat:presence" => {
            let change: PublishedChange = serde_json::from_slice(payload)?;
            let room = RoomName::parse(&change.room)?;
            rooms.apply_presence_change(&room, change.try_into()?);
        }
        "chat:typing" => {
            let (room, user, name): (String, String, String) = serde_json::from_slice(payload)?;
            rooms.deliver_typing(&RoomName::parse(&room)?, user.parse()?, &name);
        }
        _ => {} // A heartbeat.
    }
    Ok(())
}

impl TryFrom<PublishedChange> for PresenceChange {
    type Error = Box<dyn StdError + Send + Sync>;

    fn try_from(change: PublishedChange) -> Result<Self, Self::Error> {
        let kind = match change.event.as_str() {
            "joined" => ChangeKind::Joined,
            "left" => ChangeKind::Left,
            other => return Err(format!("an unknown change {other:?}").into()),
        };
        Ok(Self {
            version: change.version.parse()?,
            kind,
            user: change.user.parse()?,
            name: change.name,
        })
    }
}
