//! The flags of a run, and what the handlers need to know of them.

use std::{net::SocketAddr, num::ParseFloatError, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};

use super::{Lesson, origin::Origin};
use crate::catalog::Entry;

/// The flags that every server has. Each can also be set by the environment variable of its name.
#[derive(Debug, Parser)]
// clap names a group after the struct, and a lesson may call its own flags so, too.
#[group(skip)]
pub(crate) struct Flags<Own: Args> {
    /// The address to listen on; 0.0.0.0 lets other machines in
    #[arg(long, env, default_value = "127.0.0.1")]
    pub(super) host: String,

    /// The TCP port to listen on; 0 picks a free one
    #[arg(long, env)]
    pub(super) port: u16,

    /// How often a stream or a WebSocket says that it is still alive, in seconds (lessons 3 to 6)
    // A browser or a proxy gives up on a silent connection after 30 to 60 s; half of that is safe.
    #[arg(long, env, value_name = "SECONDS", default_value = "15", value_parser = heartbeat)]
    pub(super) heartbeat: Duration,

    /// Another origin whose pages may send changes and open a WebSocket; repeatable
    #[arg(long, env, value_name = "ORIGIN", value_delimiter = ',')]
    pub(super) allow_origin: Vec<Origin>,

    /// Switch the button off that cuts all connections (POST /cut)
    #[arg(long, env)]
    pub(super) no_cut: bool,

    #[command(flatten)]
    pub(super) own: Own,
}

/// The flags that lessons 1 to 5 have besides: they all are about the list of users.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct LessonFlags<Own: Args> {
    /// Keep the users in this file [default: in memory]
    #[arg(long, env, value_name = "FILE")]
    pub(super) users: Option<PathBuf>,

    #[command(flatten)]
    pub(super) own: Own,
}

/// What a lesson without flags of its own has instead.
#[derive(Debug, Clone, Args)]
pub(super) struct NoFlags {}

impl<Own: Args> Flags<Own> {
    /// Reads the flags of this process. Ends it with a message if they are wrong or ask for help.
    pub(super) fn read(entry: Entry) -> Self {
        let command = Self::command()
            .name(entry.name)
            .about(format!("{}: {}", entry.title, entry.technique))
            .mut_arg("port", |port| {
                port.required(false).default_value(entry.port.to_string())
            });
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

/// A heartbeat in seconds, such as `15` or `0.5`.
fn heartbeat(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|error: ParseFloatError| error.to_string())?;
    if !(0.05..=3600.0).contains(&seconds) {
        return Err("must be between 0.05 and 3600 seconds".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// What the handlers need to know of this run.
#[derive(Debug)]
pub struct Settings {
    /// How often a stream or a WebSocket says that it is still alive.
    pub heartbeat: Duration,
    pub(crate) lesson: Lesson,
    pub(super) allowed_origins: Vec<Origin>,
    /// Whether `POST /cut` is there: only this machine can reach the server, and no flag switches it off.
    pub(crate) can_cut: bool,
}

impl Settings {
    pub(super) fn new(lesson: Lesson, flags: &Flags<impl Args>, address: SocketAddr) -> Self {
        Self {
            heartbeat: flags.heartbeat,
            lesson,
            allowed_origins: flags.allow_origin.clone(),
            can_cut: address.ip().is_loopback() && !flags.no_cut,
        }
    }
}
