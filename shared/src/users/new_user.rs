//! [`NewUser`]: the message with which a client adds a user.

use serde::Deserialize;

/// The JSON `{"username":"…"}`. Other fields are refused. The name is not checked yet. Parse the message as
/// [`JsonObject<NewUser>`](crate::json_object::JsonObject), which refuses the array `["…"]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name as the client has sent it. [`Username::parse`](super::Username::parse) checks it.
    pub username: String,
}

#[cfg(test)]
mod tests {
    use super::NewUser;
    use crate::json_object::JsonObject;

    fn read(json: &str) -> Option<String> {
        let new: JsonObject<NewUser> = serde_json::from_str(json).ok()?;
        Some(new.0.username)
    }

    #[test]
    fn only_an_object_with_a_username_is_parsed() {
        assert_eq!(read(r#" {"username":" Bob "} "#), Some(" Bob ".into()));
        for bad in [
            "{",
            "{}",
            "[]",
            "null",
            r#""Bob""#,
            r#"["Bob"]"#,
            r#"{"username":7}"#,
            r#"{"name":"Bob"}"#,
            r#"{"username":"Bob","admin":true}"#,
            r#"{"username":"Ann","username":"Bob"}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
