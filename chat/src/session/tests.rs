//! Tests of sessions.

use std::sync::Arc;

use actix_web::test::TestRequest;

use super::*;
use crate::backend::tests::stores;

/// Calls the handler directly, because a test over HTTP would have to wait for half a minute.
#[tokio::test]
async fn a_user_who_takes_another_name_releases_the_old_one() {
    for store in stores().await {
        let backend = Arc::clone(&store.backend);
        let chat = web::Data::new(ChatState::new(backend, store.rooms.clone(), 0));
        let claim = async |name: &str| Session::create(UserName::parse(name).unwrap(), &chat).await;
        let ann = claim("Ann").await.unwrap();
        let request = TestRequest::default()
            .app_data(chat.clone())
            .insert_header((header::AUTHORIZATION, format!("Bearer {}", ann.token)));
        let body = serde_json::from_str(r#"{"name":"Bob"}"#).unwrap();
        let response = create_session(request.to_http_request(), web::Json(body)).await;
        assert_eq!(response.unwrap().status(), StatusCode::CREATED);
        assert!(claim("Ann").await.is_err(), "too early");
        store.control.let_time_pass(31).await;
        assert!(claim("Ann").await.is_ok(), "{}", store.name);
    }
}
