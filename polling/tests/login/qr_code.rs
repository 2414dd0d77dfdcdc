//! The QR code and the URL in it.

use reqwest::{Method, header};
use rqrr::PreparedImage;
use serde_json::Value;
use testing::{Server, read_until};

use super::{BINARY, Client};

#[tokio::test]
async fn the_qr_code_is_a_url_on_the_host_of_the_request() {
    let server = Server::start(BINARY, &[]);
    for host in ["192.168.1.20:8001", "[fe80::1]:8001", "laptop.example.org"] {
        let request = Client::new(&server).request(Method::POST, "/login");
        let response = request.header(header::HOST, host).send().await.unwrap();
        let ticket: Value = response.json().await.unwrap();
        let url = format!(
            "http://{host}/login/{}/phone",
            ticket["id"].as_str().unwrap()
        );
        assert_eq!(ticket["url"], url);
        assert_eq!(read_qr_code(ticket["svg"].as_str().unwrap()), url);
    }
}

#[tokio::test]
async fn a_malformed_host_is_rejected() {
    let server = Server::start(BINARY, &[]);
    for host in [
        "",
        "Host:\r\n",
        "Host: a/b\r\n",
        "Host: user@a\r\n",
        "Host: a\"><script>\r\n",
        "Host: a:b\r\n",
        "Host: b\u{fc}cher\r\n",
        "Host: a\r\nHost: b\r\n",
    ] {
        let request =
            format!("POST /login HTTP/1.1\r\n{host}Content-Length: 0\r\nConnection: close\r\n\r\n");
        let mut connection = server.send_raw(&request).await;
        let response = read_until(&mut connection, |_| false).await;
        assert!(
            response.starts_with("HTTP/1.1 400 "),
            "{host:?}: {response}"
        );
    }
}

/// Reads the QR code as a phone does: draws the black squares of the SVG and decodes the image.
fn read_qr_code(svg: &str) -> String {
    /// The width of a drawn square in pixels. One is too small for the decoder.
    const SCALE: usize = 4;
    let (_, rest) = svg.split_once(r#"viewBox="0 0 "#).unwrap();
    let (width, _) = rest.split_once(' ').unwrap();
    let width: usize = width.parse().unwrap();
    let (_, rest) = svg.split_once(r##"<path fill="#000" d=""##).unwrap();
    let (path, _) = rest.split_once('"').unwrap();
    let mut dark = vec![false; width * width];
    // "M4 4h1v1H4V4" is a square at 4, 4.
    for square in path.split('M').skip(1) {
        let (corner, size) = square.split_once('h').unwrap();
        assert!(size.starts_with("1v1"), "{size}");
        let (x, y) = corner.split_once(' ').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        dark[y * width + x] = true;
    }
    let size = width * SCALE;
    let pixel = |x, y| {
        if dark[y / SCALE * width + x / SCALE] {
            0
        } else {
            255
        }
    };
    let mut image = PreparedImage::prepare_from_greyscale(size, size, pixel);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}
