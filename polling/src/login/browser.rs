//! What the browser asks that wants to log in: the page, a ticket, and how it is going.

use std::time::{Duration, Instant};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use askama::Template;
use serde_json::json;
use shared::{error::Error, was_head};

use super::secret::Secret;
use super::ticket::Refusal;
use super::{Flags, Tickets, link, show, ticket_id};

/// What a browser is known by. One for all its tabs: each may show a code of its own.
const COOKIE: &str = "login";

/// As for all pages, and the QR code comes as a `data:` address. Nobody may frame the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; \
                                       form-action 'self'; frame-ancestors 'none'; object-src 'none'";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage;

/// `GET /login`
pub(super) async fn page() -> Result<HttpResponse, Error> {
    let mut answer = show(&LoginPage)?;
    let policy = header::HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(answer)
}

/// `POST /login`: a new ticket, `{"id","url","svg","expires_in"}`, and the cookie that makes it this
/// browser's. `expires_in` is in whole seconds, rounded up.
pub(super) async fn create(
    request: HttpRequest,
    tickets: web::Data<Tickets>,
    flags: web::Data<Flags>,
) -> Result<HttpResponse, Error> {
    // The same for all tabs, or a second tab would take the ticket of the first away.
    let browser = secret_in_cookie(&request).unwrap_or_else(Secret::random);
    let host = link::host(&request)?;
    let id = tickets.create(browser, flags.ticket_seconds, Instant::now());
    let url = link::link(host, id);
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .cookie(cookie(browser))
        .json(json!({
            "id": id.to_string(),
            "url": url,
            "svg": link::qr_code(&url)?,
            "expires_in": whole_seconds(flags.ticket_seconds),
        })))
}

/// `GET /login/{id}`: `{"status":"waiting"}` and so on. Only the browser that asked for the ticket is
/// told, and the first time that it is told "confirmed" consumes the ticket.
pub(super) async fn status(
    request: HttpRequest,
    tickets: web::Data<Tickets>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let id = ticket_id(&id)?;
    let browser = secret_in_cookie(&request).ok_or(Refusal::Unknown)?;
    let now = Instant::now();
    let status = tickets.with(id, now, |ticket| {
        if was_head(&request) {
            return ticket.status(browser, now);
        }
        ticket.collect(browser, now)
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(status))
}

/// What the browser is known by, if it has a cookie of ours.
fn secret_in_cookie(request: &HttpRequest) -> Option<Secret> {
    Secret::parse(request.cookie(COOKIE)?.value())
}

/// A cookie that scripts cannot read, that the browser sends only from our own pages, only to the
/// addresses of the login, and forgets when it is closed. A server behind TLS adds `Secure`.
fn cookie(browser: Secret) -> Cookie<'static> {
    Cookie::build(COOKIE, browser.to_string())
        .path("/login")
        .http_only(true)
        .same_site(SameSite::Strict)
        .finish()
}

/// Rounded up: a ticket never lives longer than the page is told.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
