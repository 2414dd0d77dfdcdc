//! `GET /`: the page of the chat.

use actix_web::{HttpRequest, web};
use askama::Template;
use shared::Settings;
use shared::page::{NetworkPanel, SiteNavigation, html_response};

use crate::state::HandlerResult;

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    header: SiteNavigation,
    /// In seconds.
    heartbeat: f64,
    network: NetworkPanel,
}

pub(crate) async fn page(request: HttpRequest, settings: web::Data<Settings>) -> HandlerResult {
    html_response(&Page {
        header: SiteNavigation::new(settings.lesson.name, &request).await,
        heartbeat: settings.heartbeat.as_secs_f64(),
        network: NetworkPanel::new(&request),
    })
}
