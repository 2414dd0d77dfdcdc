//! The promises of every server, over HTTP: `POST /users` and `DELETE /users/{id}`, clear errors, limits, the
//! same-origin rule, headers, flags, saving and stopping.
//!
//! Each lesson's tests call [`check_all`] with their own binary. The tests of a server without users call
//! [`check_every_server`].

mod access;
mod files;
mod memory;
mod pages;
mod process;
mod requests;

use std::time::Duration;

use reqwest::{Method, Response, header};
use serde_json::Value;

use crate::Server;
pub use files::{start_with_few_files, streams_beyond_the_limit_of_files_wait};
pub use memory::{
    clients_that_do_not_read_hold_little, lesson_clients_that_do_not_read_hold_little,
};

/// The content type of request bodies and of every error.
const JSON: &str = "application/json";

/// The longest time that a stop may take, whatever connections are open.
pub const STOP_LIMIT: Duration = Duration::from_secs(2);

/// The server to check.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The path of the binary.
    pub binary: &'static str,
    /// Flags that the binary always needs, such as the path of its database.
    pub flags: &'static [&'static str],
    /// A path that accepts a POST of JSON from its own origin only.
    pub post: &'static str,
    /// Paths that anybody may GET.
    pub pages: &'static [&'static str],
    /// Files of the page and their content types.
    pub files: &'static [(&'static str, &'static str)],
}

impl Target {
    /// Returns the target for one of lessons 1 to 5.
    const fn lesson(binary: &'static str) -> Self {
        Self {
            binary,
            flags: &[],
            post: "/users",
            pages: &["/", "/users", "/clock"],
            files: &[
                ("/", "text/html; charset=utf-8"),
                ("/static/client.js", "text/javascript"),
                ("/shared/page.js", "text/javascript"),
            ],
        }
    }

    /// Starts the server with further flags.
    fn start(&self, flags: &[&str]) -> Server {
        Server::start(self.binary, &[self.flags, flags].concat())
    }
}

/// Checks every promise of this module against the lesson `binary`.
pub async fn check_all(binary: &'static str) {
    requests::users_are_added_and_removed(binary).await;
    requests::bad_input_gets_a_clear_error(binary).await;
    requests::a_large_or_incomplete_body_changes_nothing(binary).await;
    requests::a_full_list_refuses_another_user(binary).await;
    access::another_site_changes_nothing(binary).await;
    access::a_hostile_name_is_only_text(binary).await;
    access::the_page_contains_no_secret_of_its_request(binary).await;
    access::only_allowed_sites_may_frame_the_timeline(binary).await;
    requests::head_of_a_stream_ends(binary).await;
    requests::the_page_shows_a_curl_command_if_it_works(binary).await;
    process::a_users_file_that_cannot_be_used_is_not_changed(binary);
    process::the_users_file_can_be_set_by_the_environment(binary).await;
    process::a_users_file_that_cannot_be_written_is_not_healthy(binary).await;
    process::an_acknowledged_user_survives_a_kill(binary).await;
    check_every_server(Target::lesson(binary)).await;
}

/// Checks what does not depend on users: files, other origins, requests from other machines, flags, limits, stopping.
pub async fn check_every_server(target: Target) {
    access::files_are_served_and_folders_are_not_listed(target).await;
    access::another_site_may_not_change_anything(target).await;
    access::a_site_that_a_flag_allows_may_change_things(target).await;
    access::behind_tls_only_the_page_that_came_over_tls_is_the_own_one(target).await;
    access::only_the_local_machine_may_cut(target).await;
    pages::a_person_gets_a_page_and_a_program_json(target).await;
    requests::a_healthy_server_says_so(target).await;
    requests::head_is_get_without_a_body(target).await;
    requests::a_thousand_concurrent_requests_all_get_a_response(target).await;
    process::a_server_that_cannot_start_says_why(target);
    process::flags_can_be_set_by_the_environment(target).await;
    requests::an_unread_body_does_not_keep_its_connection(target).await;
    requests::an_endless_body_is_not_read_for_ever(target).await;
    requests::a_complete_chunked_body_leaves_the_connection_open(target).await;
    requests::an_http_1_0_client_gets_no_chunks(target).await;
    files::clients_beyond_the_limit_of_files_wait(target).await;
    process::a_stop_is_quick_and_clean(target).await;
}

/// Adds a user and returns its id. The id shows how many users were added before. (The response to `GET /users` does
/// not help, because it differs from lesson to lesson.)
async fn add_probe(server: &Server) -> u64 {
    server.add_user("probe").await
}

/// Sends a request with a body of the content type `kind`.
async fn send(server: &Server, method: Method, path: &str, kind: &str, body: &str) -> Response {
    let request = server.client.request(method, server.url(path));
    let request = request
        .header(header::CONTENT_TYPE, kind)
        .body(body.to_owned());
    request.send().await.expect("a response")
}

/// Checks that `response` is an error with this status and a message in JSON.
async fn expect_error(response: Response, status: u16, request: &str) {
    assert_eq!(response.status(), status, "{request}");
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/json",
        "{request}"
    );
    let body: Value = response.json().await.expect("JSON");
    let message = body["error"].as_str().expect("a message");
    assert!(
        message.len() > 20 && message.contains(' '),
        "{request}: {message:?}"
    );
    assert_eq!(
        body.as_object().map(serde_json::Map::len),
        Some(1),
        "{request}: {body}"
    );
}
