//! [`choose_language`]: the link on every page that switches to the other language, without a script.

use actix_web::body::BoxBody;
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::language::{LANGUAGE, Language};

/// For how many days a browser keeps the choice.
const DAYS: i64 = 365;

/// Answers a GET with `language=zh-CN` in its query with a 303 to the same address without it, and a cookie. A request
/// without it goes on.
///
/// # Errors
/// If the handler of a request that goes on fails.
pub async fn choose_language(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(language) = chosen(&request) else {
        return next.call(request).await;
    };
    let cookie = Cookie::build(LANGUAGE, language.tag())
        .path("/")
        .max_age(Duration::days(DAYS))
        .same_site(SameSite::Lax)
        .finish();
    let response = HttpResponse::SeeOther()
        .insert_header((header::LOCATION, address_without_choice(&request)))
        .cookie(cookie)
        .finish();
    Ok(request.into_response(response))
}

/// Returns the language that the query chooses.
fn chosen(request: &ServiceRequest) -> Option<Language> {
    if *request.method() != Method::GET {
        return None;
    }
    let mut pairs = request.query_string().split('&');
    pairs.find_map(|pair| Language::from_tag(tag_of(pair)?))
}

/// Returns the value of a pair of the query, if it is a language.
fn tag_of(pair: &str) -> Option<&str> {
    pair.strip_prefix(LANGUAGE)?.strip_prefix('=')
}

/// Returns the path and the rest of the query. Two slashes at its beginning would lead to another server, and browsers
/// take a backslash for a slash.
fn address_without_choice(request: &ServiceRequest) -> String {
    let path = request.path().trim_start_matches(['/', '\\']);
    let pairs = request.query_string().split('&');
    let others: Vec<_> = pairs.filter(|pair| tag_of(pair).is_none()).collect();
    let separator = if others.is_empty() { "" } else { "?" };
    format!("/{path}{separator}{}", others.join("&"))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_address_stays_the_same_but_for_the_choice() {
        for (link, address) in [
            ("/?language=zh-CN", "/"),
            ("/login?language=en", "/login"),
            ("/?view=timeline&language=en", "/?view=timeline"),
            ("//elsewhere.example/?language=en", "/elsewhere.example/"),
            ("/\\elsewhere.example?language=en", "/elsewhere.example"),
        ] {
            let request = TestRequest::with_uri(link).to_srv_request();
            assert!(chosen(&request).is_some(), "{link}");
            assert_eq!(address_without_choice(&request), address, "{link}");
        }
        for other in ["/", "/?language=tlh", "/?languages=en", "/?a=language=en"] {
            let request = TestRequest::with_uri(other).to_srv_request();
            assert_eq!(chosen(&request), None, "{other}");
        }
    }
}
