//! What one message to many readers costs, beside a program that only writes the same bytes.
//!
//! `cargo test -p chat --release --test chat -- --ignored --nocapture probe`

use std::{fs, io::Write as _, net::TcpListener, time::Duration};

use serde_json::json;
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::sleep};

use crate::client::{LOBBY, Person, start};

const READERS: usize = 5_000;
/// These pay for what is there once: threads, connections to the database and their caches.
const WARM: usize = 500;
const MESSAGES: usize = 100;

/// Processor time of this thread in the kernel's ticks of 10 ms.
fn thread_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

fn drain(mut socket: TcpStream) {
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
}

async fn limit() -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let writer = std::thread::spawn(move || {
        let mut sockets: Vec<_> = (0..READERS).map(|_| listener.accept().unwrap().0).collect();
        std::thread::sleep(Duration::from_millis(500));
        let before = thread_ticks();
        for _ in 0..MESSAGES {
            for socket in &mut sockets {
                socket.write_all(&[b'x'; 204]).unwrap();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        thread_ticks() - before
    });
    for _ in 0..READERS {
        drain(TcpStream::connect(address).await.unwrap());
    }
    while !writer.is_finished() {
        sleep(Duration::from_millis(50)).await;
    }
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let micros = writer.join().unwrap() as f64 * 10_000.0 / (READERS * MESSAGES) as f64;
    micros
}

#[tokio::test]
#[ignore = "a measurement"]
async fn probe_what_a_delivery_and_an_idle_reader_cost() {
    // Before and after: other programs use the machine, too.
    let before = limit().await;
    let (idle, chat) = measure().await;
    let limit = f64::midpoint(before, limit().await);
    let ratio = chat / limit;
    println!("{idle} bytes an idle reader");
    println!("a delivery: {chat:.2} µs, the limit {limit:.2} µs, ratio {ratio:.2}");
}

async fn measure() -> (u64, f64) {
    let server = start(&["--connections", "10000", "--rate", "0"]);
    let ann = Person::join(&server, "Ann").await;
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let token = &ann.token;
    let request = format!(
        "GET {LOBBY}/ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{upgrade}\r\n\r\n"
    );
    for _ in 0..WARM {
        drain(server.send_raw(&request).await);
    }
    server.settle().await;
    let before = server.memory();
    for _ in WARM..READERS {
        drain(server.send_raw(&request).await);
    }
    server.settle().await;
    let idle = (server.memory() - before) / (READERS - WARM) as u64;
    let before = server.cpu_ticks();
    for number in 0..MESSAGES {
        let body = json!({ "key": number.to_string(), "text": "x".repeat(100) });
        ann.post(&server, &format!("{LOBBY}/messages"), &body).await;
        sleep(Duration::from_millis(100)).await;
    }
    server.settle().await;
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let chat = (server.cpu_ticks() - before) as f64 * 10_000.0 / (READERS * MESSAGES) as f64;
    (idle, chat)
}
