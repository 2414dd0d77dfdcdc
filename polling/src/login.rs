//! Where polling is still right: a login with a QR code.
//!
//! The browser shows a QR code of a one-time link and asks every second what has become of it. The
//! phone opens the link, and a person confirms there. That happens rarely and is over in two minutes,
//! so the polls cost next to nothing; and a poll survives whatever happens meanwhile: a new network,
//! a laptop that slept, a proxy that cuts idle connections. A stream would have to come back first.
//!
//! | the browser | the phone |
//! |---|---|
//! | `GET /login`: the page | `GET /login/{id}/phone`: the page behind the QR code |
//! | `POST /login`: a new ticket | `POST /login/{id}/scan`, sent when that page opens |
//! | `GET /login/{id}`: its status | `POST /login/{id}/confirm` or `/refuse` |
//!
//! Two secrets keep apart who may do what. The ticket's id is in the QR code: whoever sees the screen
//! can confirm, so a real login asks on the phone who that is. The browser's cookie says whose ticket
//! it is: without it nobody hears the outcome.

mod browser;
mod link;
mod phone;
mod secret;
mod ticket;
mod tickets;

use std::{num::ParseFloatError, ops::RangeInclusive, time::Duration};

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::{self, ServiceConfig};
use askama::Template;
use clap::Args;
use shared::error::Error;

use secret::Secret;
use ticket::Refusal;
pub(crate) use tickets::Tickets;

/// What a ticket's lifetime may be, in seconds. An hour is as long as anybody may want to leave a
/// code on a screen; the shortest is for tests.
const TICKET_SECONDS: RangeInclusive<f64> = 0.05..=3600.0;

/// The flags of the login.
#[derive(Debug, Clone, Args)]
pub(crate) struct Flags {
    /// How long a login's QR code can be used, in seconds
    // Two minutes are enough to find the phone, and short for somebody who films the screen.
    #[arg(long, env, value_name = "SECONDS", default_value = "120", value_parser = ticket_seconds)]
    ticket_seconds: Duration,
}

/// A lifetime in seconds, such as `120` or `0.5`.
fn ticket_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|error: ParseFloatError| error.to_string())?;
    if !TICKET_SECONDS.contains(&seconds) {
        let (least, most) = TICKET_SECONDS.into_inner();
        return Err(format!("must be between {least} and {most} seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Adds the routes of the login. The tickets come from outside, because this runs once for each
/// worker thread, and all of them share the tickets.
pub(crate) fn routes(app: &mut ServiceConfig, flags: &Flags, tickets: &web::Data<Tickets>) {
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

/// The id of a ticket in the address. What cannot be one is a ticket that is not known.
fn ticket_id(text: &str) -> Result<Secret, Refusal> {
    Secret::parse(text).ok_or(Refusal::Unknown)
}

/// The answer that shows a page.
fn show(page: &impl Template) -> Result<HttpResponse, Error> {
    // None of the pages holds a value that could fail to be written.
    let html = page.render().map_err(|_| Error::Internal)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(html))
}
