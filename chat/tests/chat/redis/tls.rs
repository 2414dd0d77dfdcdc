//! Tests of a Redis as people run it: with TLS, and with a user who needs a password.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testing::redis::Redis;
use testing::{Exit, Server, Signal, run, run_with};

use super::post_until_stored;
use crate::client::{BINARY, Client, LOBBY, Person, TRANSPORTS, expect_error};

/// The password of the user of the chat. It has the characters that an address cannot have as they are.
const PASSWORD: &str = "top/secret?#@1";

/// The same in an address.
const ENCODED: &str = "top%2Fsecret%3F%23%401";

/// The rights of the user, as `SCALING.md` lists them.
const RIGHTS: &str = "~chat:* &chat:* +@all -@admin -@dangerous";

/// Nobody can log in as `default`. But it needs its rights: as `default`, Redis reads its own files at the start.
const DEFAULT_USER: &str = "user default off ~* &* +@all";

/// A Redis that speaks only TLS, and has only the user `chat`.
struct SecureRedis {
    redis: Redis,
    /// The folder with the certificates.
    folder: tempfile::TempDir,
}

impl SecureRedis {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificate(folder.path(), "redis");
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let users = path("users.acl");
        fs::write(
            &users,
            format!("{DEFAULT_USER}\nuser chat on >{PASSWORD} {RIGHTS}\n"),
        )
        .unwrap();
        let redis = Redis::start_with(&[
            "--port",
            "0",
            "--tls-port",
            "PORT",
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            &path("redis.pem"),
            "--tls-key-file",
            &path("redis.key"),
            "--aclfile",
            &users,
        ]);
        Self { redis, folder }
    }

    fn url(&self, password: &str) -> String {
        format!("rediss://chat:{password}@localhost:{}/", self.redis.port())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Makes an authority, `NAME-ca.pem`, which signs a certificate for `localhost`, `NAME.pem`. Its key is `NAME.key`.
fn make_certificate(folder: &Path, name: &str) {
    let authority = format!("-subj /CN=test -keyout {name}-ca.key -out {name}-ca.pem");
    let certificate = format!(
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE \
         -CA {name}-ca.pem -CAkey {name}-ca.key -keyout {name}.key -out {name}.pem"
    );
    for further in [authority, certificate] {
        let mut command = Command::new("openssl");
        command
            .current_dir(folder)
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
            ])
            .args(further.split_whitespace());
        let output = command.output().expect("openssl: apt-get install openssl");
        assert!(output.status.success(), "{output:?}");
    }
}

/// Starts a server as the text recommends it: the address with the password is in the environment, not in a flag.
fn start(redis: &SecureRedis) -> Server {
    let ca = redis.file("redis-ca.pem");
    Server::start_with(
        BINARY,
        &[
            ("REDIS", &redis.url(ENCODED)),
            ("REDIS_CA", ca.to_str().unwrap()),
        ],
    )
}

/// Checks that the output of a server has no part of the password.
fn assert_no_password(exit: &Exit) {
    for secret in [PASSWORD, ENCODED, "top", "secret"] {
        assert!(!exit.stderr.contains(secret), "{}", exit.stderr);
        assert!(!exit.stdout.contains(secret), "{}", exit.stdout);
    }
}

/// Redis also dies and comes back, which the servers log.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn servers_chat_over_tls_and_never_print_the_password() {
    let mut redis = SecureRedis::start();
    let (a, b) = (start(&redis), start(&redis));
    let (ann, bob) = (Person::join(&a, "Ann").await, Person::join(&b, "Bob").await);
    for transport in TRANSPORTS {
        let mut there = Client::open(transport, &b, &bob, None).await;
        there.event("roster").await;
        let text = format!("{transport:?}");
        ann.post_text(&a, &text, None).await;
        assert_eq!(there.texts_to(&text).await.last(), Some(&text));
    }
    redis.redis.kill();
    let body = serde_json::json!({ "key": "dead", "text": "dead" });
    let path = format!("{LOBBY}/messages");
    expect_error(ann.post(&a, &path, &body).await, 503, "Redis is dead").await;
    redis.redis.restart();
    post_until_stored(&a, &ann, "back").await;
    post_until_stored(&b, &ann, "back").await;
    let mut late = Client::open(TRANSPORTS[0], &b, &bob, None).await;
    late.texts_to("back").await;
    for server in [a, b] {
        server.signal(Signal::TERM);
        let exit = server.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(exit.stderr.contains("Redis"), "it logs: {}", exit.stderr);
        assert_no_password(&exit);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_wrong_password_or_certificate_ends_the_start_with_one_clear_line() {
    let redis = SecureRedis::start();
    make_certificate(redis.folder.path(), "other");
    fs::write(redis.file("empty.pem"), "").unwrap();
    let (right, address) = (
        redis.url(ENCODED),
        format!("localhost:{}", redis.redis.port()),
    );
    let by_number = right.replace("localhost", "127.0.0.1");
    let plain = right.replace("rediss:", "redis:");
    let (password, certificate) = ("the right user and password", "has signed its certificate");
    for (url, ca, expected) in [
        (redis.url("top-secret"), "redis-ca.pem", password),
        (format!("rediss://{address}/"), "redis-ca.pem", password),
        (right.clone(), "other-ca.pem", certificate),
        (right.clone(), "", certificate),
        (by_number, "redis-ca.pem", "the host name that is in the"),
        (right.clone(), "none.pem", "No such file"),
        (right.clone(), "empty.pem", "has no certificate"),
        (plain.clone(), "redis-ca.pem", "rediss://"),
        (plain, "", address.as_str()),
        (redis.url(PASSWORD), "redis-ca.pem", "percent-encoded"),
    ] {
        let file = redis.file(ca);
        let mut environment = vec![("REDIS", url.as_str())];
        if !ca.is_empty() {
            environment.push(("REDIS_CA", file.to_str().unwrap()));
        }
        let exit = run_with(BINARY, &environment);
        assert_eq!(exit.code, Some(1), "{ca}: {}", exit.stderr);
        assert!(exit.stderr.contains(expected), "{ca}: {}", exit.stderr);
        assert_eq!(exit.stderr.lines().count(), 1, "{}", exit.stderr);
        assert_no_password(&exit);
        environment.push(("RUST_LOG", "trace"));
        assert_no_password(&run_with(BINARY, &environment));
    }
}

/// `--help` shows the values of environment variables, and so do the errors of clap.
#[test]
fn the_help_does_not_show_the_address_of_redis() {
    let environment = ("REDIS", "redis://chat:top-secret@127.0.0.1/");
    for (name, value) in [("CONNECTIONS", "0"), ("REDIS_CA", "/none")] {
        let exit = run_with(BINARY, &[environment, (name, value)]);
        assert_ne!(exit.code, Some(0));
        assert_no_password(&exit);
    }
    let help = Command::new(BINARY)
        .arg("--help")
        .env(environment.0, environment.1)
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("--redis-ca") && !help.contains("top-secret"),
        "{help}"
    );
    let exit = run(BINARY, &["--redis-ca", "/none"]);
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
}
