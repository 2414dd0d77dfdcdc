//! What the phone asks: the page behind the QR code, and what its person decides there.
//!
//! A link that has expired, is used up or was never there is 404. What cannot be done any more with
//! a ticket that has ended, is 409.

use std::time::Instant;

use actix_web::{HttpResponse, http::header, web};
use askama::Template;
use shared::JsonObject;
use shared::error::Error;
use shared::users::{NewUser, Username};

use super::{Tickets, show, ticket_id};

#[derive(Template)]
#[template(path = "phone.html")]
struct PhonePage;

/// `GET /login/{id}/phone`: asks a person whether to confirm. Fetching it does not scan, because
/// programs that show previews of links fetch it as well; its script does.
pub(super) async fn page(
    tickets: web::Data<Tickets>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let now = Instant::now();
    tickets.with(ticket_id(&id)?, now, |ticket| ticket.open(now))?;
    let mut answer = show(&PhonePage)?;
    let no_store = header::HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(answer)
}

/// `POST /login/{id}/scan`: a phone has the link open.
pub(super) async fn scan(
    tickets: web::Data<Tickets>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let now = Instant::now();
    tickets.with(ticket_id(&id)?, now, |ticket| ticket.scan(now))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /login/{id}/confirm` with `{"username":"…"}`
pub(super) async fn confirm(
    tickets: web::Data<Tickets>,
    id: web::Path<String>,
    new: web::Json<JsonObject<NewUser>>,
) -> Result<HttpResponse, Error> {
    let (id, now) = (ticket_id(&id)?, Instant::now());
    let JsonObject(new) = new.into_inner();
    let username = Username::parse(&new.username)?;
    tickets.with(id, now, |ticket| ticket.confirm(username, now))?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /login/{id}/refuse`
pub(super) async fn refuse(
    tickets: web::Data<Tickets>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let now = Instant::now();
    tickets.with(ticket_id(&id)?, now, |ticket| ticket.refuse(now))?;
    Ok(HttpResponse::NoContent().finish())
}
