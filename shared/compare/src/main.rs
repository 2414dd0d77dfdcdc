//! `cargo run -p compare`: one change through lessons 1 to 5, side by side.
//!
//! This program builds the five lessons, starts them on free ports, and serves one page with five frames. Each frame
//! shows the timeline of one lesson. A button on the page makes the same change in all five, and a table shows what the
//! change and a minute of silence cost. Ctrl-C ends this program and the lessons.

mod error;
mod lessons;
mod page;
mod programs;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer};
use clap::Parser;
use shared::{choose_language, parse_seconds, stop_signal};

use error::StartError;
use lessons::RunningLessons;
use page::Page;

/// How long silence may be counted, in seconds. Very short times are for tests.
const SILENCE_RANGE: RangeInclusive<f64> = 0.1..=3600.0;

/// How many seconds a stop waits for the browser's connections. This server has no response that goes on.
const SHUTDOWN_SECONDS: u64 = 1;

/// Shows one change in lessons 1 to 5, side by side
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Flags {
    /// The TCP port to listen on; 0 picks a free one
    // The one after the ports of the six lessons.
    #[arg(long, env, default_value = "8007")]
    port: u16,

    /// How long the page counts silence after a change, in seconds
    #[arg(long, env, value_name = "SECONDS", default_value = "60", value_parser = parse_silence)]
    silence: Duration,
}

#[actix_web::main]
async fn main() -> ExitCode {
    match run(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, the exit code alone shows the failure.
            writeln!(io::stderr(), "compare: {error}.").ok();
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, and serves the page until Ctrl-C or SIGTERM.
async fn run(flags: &Flags) -> Result<(), StartError> {
    let listener = listen(flags.port)?;
    let address = listener.local_addr()?;
    // Before `stop_signal`: while cargo builds, Ctrl-C ends cargo and this program, as usual.
    let folder = programs::folder_of_lessons()?;
    // Before the first lesson starts: from now on, no signal may end this program without the lessons.
    let mut stop = Box::pin(stop_signal()?);
    let origins = origins(address);
    let (lessons, urls) = tokio::select! {
        started = RunningLessons::start(&folder, &origins) => started?,
        () = &mut stop => return Ok(()),
    };
    let served = serve(listener, Page::new(urls, flags.silence), stop).await;
    drop(lessons);
    served
}

fn listen(port: u16) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    listener.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken(port),
        _ => StartError::Listen { port, error },
    })
}

/// Returns the origins that a browser may give the page: people type either name of this machine.
fn origins(address: SocketAddr) -> [String; 2] {
    let port = address.port();
    ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}"))
}

/// Serves the page until `stop` is ready.
async fn serve(
    listener: TcpListener,
    page: Page,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let address = listener.local_addr()?;
    let app = move || {
        App::new()
            .configure(|app| page.add_to(app))
            .wrap(from_fn(choose_language))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .shutdown_signal(stop)
        .listen(listener)?;
    // One line on stdout, the only one, as the lessons print it.
    let mut stdout = io::stdout();
    writeln!(stdout, "compare: http://{address}/").and_then(|()| stdout.flush())?;
    Ok(server.run().await?)
}

fn parse_silence(text: &str) -> Result<Duration, String> {
    parse_seconds(text, &SILENCE_RANGE)
}
