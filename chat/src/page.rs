//! `GET /`: the page of the chat.

use actix_web::{HttpRequest, web};
use askama::Template;
use shared::{Settings, error::Error, page::Header};

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    header: Header,
    /// In seconds.
    heartbeat: f64,
}

pub(crate) async fn page(
    request: HttpRequest,
    settings: web::Data<Settings>,
) -> Result<web::Html, Error> {
    let page = Page {
        header: Header::new(env!("CARGO_PKG_NAME"), &request),
        heartbeat: settings.heartbeat.as_secs_f64(),
    };
    let html = page.render().map_err(|_| Error::internal())?;
    Ok(web::Html::new(html))
}
