//! The flags that every server has.

use std::{ops::RangeInclusive, time::Duration};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};

use super::origin::Origin;
use crate::catalog::LessonInfo;
use crate::settings::parse_seconds;

/// The heartbeats that the flag accepts, in seconds. Very short ones are for tests.
const HEARTBEAT_RANGE: RangeInclusive<f64> = 0.05..=3600.0;

/// The flags that every server has, and the flags of its app. Each flag can also be set by an environment variable: its
/// name in capitals.
#[derive(Debug, Parser)]
// clap names a group after the struct, and an app's own struct may have the same name.
#[group(skip)]
pub(super) struct Flags<Extra: Args> {
    /// The address to listen on; 0.0.0.0 lets other machines in
    #[arg(long, env, default_value = "127.0.0.1")]
    pub(super) host: String,

    /// The TCP port to listen on; 0 picks a free one
    #[arg(long, env)]
    pub(super) port: u16,

    /// How often a stream or a WebSocket shows that it is still alive, in seconds (lessons 3 to 6)
    // Some proxies close a connection after 30 s without data. Half of that is safe.
    #[arg(long, env, value_name = "SECONDS", default_value = "15", value_parser = parse_heartbeat)]
    pub(super) heartbeat: Duration,

    /// Another origin whose pages may send changes, open a WebSocket and show the timeline in a frame; repeatable
    #[arg(long, env, value_name = "ORIGIN", value_delimiter = ',')]
    pub(super) allow_origin: Vec<Origin>,

    /// Switch off the button that cuts all connections (POST /cut)
    #[arg(long, env)]
    pub(super) no_cut: bool,

    #[command(flatten)]
    pub(super) extra: Extra,
}

impl<Extra: Args> Flags<Extra> {
    /// Reads the flags of this process. Ends the process with a message if a flag is wrong, or asks for help.
    pub(super) fn read(lesson: LessonInfo) -> Self {
        let command = Self::command()
            .name(lesson.name)
            .about(format!(
                "{}: {}",
                lesson.title.english, lesson.technique.english
            ))
            .mut_arg("port", |port| {
                port.required(false).default_value(lesson.port.to_string())
            });
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

fn parse_heartbeat(text: &str) -> Result<Duration, String> {
    parse_seconds(text, &HEARTBEAT_RANGE)
}
