//! The requests of the phone: the page behind the QR code, and the decision of the person there.
//!
//! The response is 404 if the link is unknown, too old or used up. It is 409 if the ticket is in a
//! state that does not allow the request, such as a confirmation after the login was refused.

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use askama::Template;
use shared::JsonObject;
use shared::catalog::LessonInfo;
use shared::error::Error;
use shared::page::{LanguageLink, html_response};
use shared::sentences::Sentences;
use shared::users::{NewUser, Username};

use super::{SENTENCES, TicketStore, parse_ticket_id};
use crate::LESSON;

#[derive(Template)]
#[template(path = "phone.html")]
struct PhonePage {
    sentences: Sentences,
    lesson: LessonInfo,
    language_link: LanguageLink,
}

/// Handles `GET /login/{id}/phone`: returns the page that asks a person whether to confirm. This
/// request does not scan the ticket, because a messenger that shows a preview of a link sends it,
/// too. The page's script scans the ticket with a request of its own.
pub(super) async fn page(
    request: HttpRequest,
    tickets: web::Data<TicketStore>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let now = Instant::now();
    tickets.with_ticket(parse_ticket_id(&id)?, now, |ticket| ticket.check_open(now))?;
    let mut response = html_response(&PhonePage {
        sentences: Sentences::of(&request, &SENTENCES),
        lesson: LESSON.info(),
        language_link: LanguageLink::new(&request),
    })?;
    let no_store = header::HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

/// Handles `POST /login/{id}/scan`: a phone has opened the link.
pub(super) async fn scan(
    tickets: web::Data<TicketStore>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let now = Instant::now();
    tickets.with_ticket(parse_ticket_id(&id)?, now, |ticket| ticket.scan(now))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Handles `POST /login/{id}/confirm` with `{"username":"…"}`: the person confirms the login.
pub(super) async fn confirm(
    tickets: web::Data<TicketStore>,
    id: web::Path<String>,
    new: web::Json<JsonObject<NewUser>>,
) -> Result<HttpResponse, Error> {
    let (id, now) = (parse_ticket_id(&id)?, Instant::now());
    let JsonObject(new) = new.into_inner();
    let username = Username::parse(&new.username)?;
    tickets.with_ticket(id, now, |ticket| ticket.confirm(username, now))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Handles `POST /login/{id}/refuse`: the person refuses the login.
pub(super) async fn refuse(
    tickets: web::Data<TicketStore>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let now = Instant::now();
    tickets.with_ticket(parse_ticket_id(&id)?, now, |ticket| ticket.refuse(now))?;
    Ok(HttpResponse::NoContent().finish())
}
