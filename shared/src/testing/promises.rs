//! What every lesson promises, whatever its technique: `POST /users` and `DELETE /users/{id}`, clear
//! errors, limits, the same-origin rule, headers, flags, saving and stopping.
//!
//! Each lesson's tests call [`keeps_them_all`] with their own binary.

mod access;
mod process;
mod requests;

use std::time::Duration;

use reqwest::{Method, Response, header};
use serde_json::Value;

use super::Server;

/// The content type of what is sent and of every error.
const JSON: &str = "application/json";

/// A stop, with whatever is still open, takes less than this.
pub const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Checks every promise of this module against the lesson `binary`.
pub async fn keeps_them_all(binary: &str) {
    requests::users_are_added_and_removed(binary).await;
    requests::bad_input_gets_a_clear_error(binary).await;
    requests::a_body_that_is_too_large_or_breaks_off_changes_nothing(binary).await;
    access::files_are_served_and_folders_are_not_listed(binary).await;
    requests::the_user_after_the_last_that_fits_is_refused(binary).await;
    access::another_site_may_not_change_anything(binary).await;
    access::another_site_may_if_a_flag_says_so(binary).await;
    access::a_hostile_name_stays_data(binary).await;
    access::the_page_gives_no_secret_away(binary).await;
    access::only_the_own_machine_may_cut(binary).await;
    requests::head_is_get_without_a_body(binary).await;
    requests::a_thousand_requests_at_once_are_all_answered(binary).await;
    process::a_server_that_cannot_start_says_why(binary);
    process::flags_can_be_set_by_the_environment(binary).await;
    requests::a_body_that_nobody_reads_does_not_keep_its_connection(binary).await;
    requests::an_http_1_0_client_gets_no_chunks(binary).await;
    process::an_acknowledged_user_survives_a_kill(binary).await;
    process::a_stop_is_quick_and_clean(binary).await;
}

/// Adds a user and returns its id, which shows how many were added before. What `GET /users` answers
/// differs from lesson to lesson.
async fn add_probe(server: &Server) -> u64 {
    server.add_user("probe").await
}

async fn send(server: &Server, method: Method, path: &str, kind: &str, body: &str) -> Response {
    let request = server.client.request(method, server.url(path));
    let request = request
        .header(header::CONTENT_TYPE, kind)
        .body(body.to_owned());
    request.send().await.expect("an answer")
}

/// Checks that `response` is an error of `status` with a sentence.
async fn expect_error(response: Response, status: u16, request: &str) {
    assert_eq!(response.status(), status, "{request}");
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/json",
        "{request}"
    );
    let body: Value = response.json().await.expect("JSON");
    let sentence = body["error"].as_str().expect("a sentence");
    assert!(
        sentence.len() > 20 && sentence.contains(' '),
        "{request}: {sentence:?}"
    );
    assert_eq!(
        body.as_object().map(serde_json::Map::len),
        Some(1),
        "{request}: {body}"
    );
}
