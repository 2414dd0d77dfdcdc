//! The requests of the browser that wants to log in: the page, a new ticket, and its status.

use std::time::{Duration, Instant};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use askama::Template;
use serde_json::json;
use shared::catalog::LessonInfo;
use shared::page::{LanguageLink, NetworkPanel, html_response};
use shared::sentences::Sentences;
use shared::{
    error::Error,
    host::{Host, scheme},
    was_head,
};

use super::secret::Secret;
use super::ticket::TicketError;
use super::{Flags, SENTENCES, TicketStore, parse_ticket_id, qr_code};
use crate::LESSON;

/// The name of the cookie that identifies a browser. The tabs of a browser share the cookie, and each
/// tab may have a ticket of its own.
const COOKIE_NAME: &str = "login";

/// The policy of this page. It allows what the policy of all pages allows, and `data:` images,
/// because the QR code is one. No other page may show this one in a frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; \
                                       form-action 'self'; frame-ancestors 'none'; object-src 'none'";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    sentences: Sentences,
    lesson: LessonInfo,
    language_link: LanguageLink,
    network: NetworkPanel,
}

/// Handles `GET /login`: returns the page.
pub(super) async fn page(request: HttpRequest) -> Result<HttpResponse, Error> {
    let mut response = html_response(&LoginPage {
        sentences: Sentences::of(&request, &SENTENCES),
        lesson: LESSON.info(),
        language_link: LanguageLink::new(&request),
        network: NetworkPanel::new(&request),
    })?;
    let policy = header::HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// Handles `POST /login`: creates a ticket and returns `{"id","url","svg","expires_in"}`, and a cookie
/// that identifies the browser. `expires_in` is in whole seconds, rounded up.
pub(super) async fn create(
    request: HttpRequest,
    tickets: web::Data<TicketStore>,
    flags: web::Data<Flags>,
) -> Result<HttpResponse, Error> {
    // All tabs of a browser share one secret. A new secret for each tab would replace the cookie, and
    // the other tabs would lose their tickets. But a secret without a ticket may come from an attacker
    // who can set cookies for this host. With this secret, the attacker would get the login, too.
    let now = Instant::now();
    let browser = browser_secret(&request)
        .filter(|secret| tickets.is_known(*secret, now))
        .unwrap_or_else(Secret::random);
    let host = Host::of(&request)?;
    let id = tickets.create(browser, flags.ticket_seconds, now);
    let scheme = scheme(request.headers());
    let url = qr_code::phone_url(scheme, &host, id);
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .cookie(cookie(browser, scheme == "https"))
        .json(json!({
            "id": id.to_string(),
            "url": url,
            "svg": qr_code::svg(&url)?,
            "expires_in": ceil_seconds(flags.ticket_seconds),
        })))
}

/// Handles `GET /login/{id}`: returns the status of the ticket, such as `{"status":"waiting"}`, to the
/// browser that created the ticket. The first response with "confirmed" consumes the ticket. For ten seconds
/// the browser gets the same response again, because the first one may have been lost.
pub(super) async fn status(
    request: HttpRequest,
    tickets: web::Data<TicketStore>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let id = parse_ticket_id(&id)?;
    let browser = browser_secret(&request).ok_or(TicketError::Unknown)?;
    let now = Instant::now();
    let status = tickets.with_ticket(id, now, |ticket| {
        // The response to HEAD has no body, so the browser would not see the status that it consumes.
        if was_head(&request) {
            return ticket.status(browser, now);
        }
        ticket.poll(browser, now)
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(status))
}

/// Returns the secret that identifies the browser, if its request has our cookie.
fn browser_secret(request: &HttpRequest) -> Option<Secret> {
    Secret::parse(request.cookie(COOKIE_NAME)?.value())
}

/// Creates the cookie. Scripts cannot read it (`HttpOnly`). The browser sends it only from our own
/// pages (`SameSite=Strict`), only to the URLs of the login (`Path`), and deletes it when the browser
/// is closed (no `Max-Age`). If the page came over TLS, the browser never sends it without (`Secure`).
fn cookie(browser: Secret, is_secure: bool) -> Cookie<'static> {
    Cookie::build(COOKIE_NAME, browser.to_string())
        .path("/login")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_secure)
        .finish()
}

/// Rounds up to whole seconds, so that a ticket never lives longer than the page shows.
fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
