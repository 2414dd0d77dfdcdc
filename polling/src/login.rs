//! Where polling is still right: a login with a QR code.
//!
//! The browser shows the QR code of a one-time link and asks every second for the status of the
//! login. The phone opens the link, and a person confirms there. A login is rare and over within two
//! minutes, so its polls cost almost nothing. And each poll is a new request, so it works after
//! anything that can happen in between: a new network, a laptop that slept, a proxy that closed an
//! idle connection. A stream would have to reconnect first.
//!
//! | the browser | the phone |
//! |---|---|
//! | `GET /login`: the page | `GET /login/{id}/phone`: the page behind the QR code |
//! | `POST /login`: a new ticket | `POST /login/{id}/scan`, sent when that page opens |
//! | `GET /login/{id}`: its status | `POST /login/{id}/confirm` or `/refuse` |
//!
//! Two secrets protect a login. The ticket's id is in the QR code. Everybody who sees the screen can
//! confirm, so a real login also identifies the person on the phone. The browser's cookie shows which
//! tickets belong to the browser. Without the cookie, nobody gets the outcome of a login.

mod browser;
mod phone;
mod qr_code;
mod secret;
mod ticket;
mod ticket_store;

use std::sync::LazyLock;
use std::{ops::RangeInclusive, time::Duration};

use actix_web::web::{self, ServiceConfig};
use clap::Args;
use shared::parse_seconds;
use shared::sentences::Catalog;

use secret::Secret;
use ticket::TicketError;
pub(crate) use ticket_store::TicketStore;

/// The lifetimes that a ticket may have, in seconds. Nobody needs to leave a code on a screen for
/// more than an hour. Very short lifetimes are for tests.
const TICKET_SECONDS_RANGE: RangeInclusive<f64> = 0.05..=3600.0;

/// What the two pages of the login say.
static SENTENCES: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::with(&[include_str!("../sentences.json")]));

/// The flags of the login.
#[derive(Debug, Clone, Args)]
pub(crate) struct Flags {
    /// How long a login's QR code can be used, in seconds
    // Two minutes are enough to find the phone, and leave little time to misuse a photo of the screen.
    #[arg(long, env, value_name = "SECONDS", default_value = "120", value_parser = parse_ticket_seconds)]
    ticket_seconds: Duration,
}

fn parse_ticket_seconds(text: &str) -> Result<Duration, String> {
    parse_seconds(text, &TICKET_SECONDS_RANGE)
}

/// Adds the routes of the login. This function runs once for each worker thread. The store is a
/// parameter, because all threads must share it.
pub(crate) fn routes(app: &mut ServiceConfig, flags: &Flags, tickets: &web::Data<TicketStore>) {
    app.app_data(tickets.clone())
        .app_data(web::Data::new(flags.clone()))
        .service(
            web::resource("/login")
                .route(web::get().to(browser::page))
                .route(web::post().to(browser::create)),
        )
        .service(web::resource("/login/{id}").route(web::get().to(browser::status)))
        .service(web::resource("/login/{id}/phone").route(web::get().to(phone::page)))
        .service(web::resource("/login/{id}/scan").route(web::post().to(phone::scan)))
        .service(web::resource("/login/{id}/confirm").route(web::post().to(phone::confirm)))
        .service(web::resource("/login/{id}/refuse").route(web::post().to(phone::refuse)));
}

/// Parses the ticket id of a URL. A malformed id is treated as an unknown one (404).
fn parse_ticket_id(text: &str) -> Result<Secret, TicketError> {
    Secret::parse(text).ok_or(TicketError::Unknown)
}
