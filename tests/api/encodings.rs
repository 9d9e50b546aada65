//! Bodies as they are sent: compressed, in other alphabets, and under other names.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::support::App;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_body_may_be_compressed_by_gzip_and_by_nothing_else() {
    let app = App::start();
    let admin = app.admin().client;
    let team = |slug: &str| json!({ "name": "Café", "slug": slug }).to_string().into_bytes();
    let compressed = admin.with("Content-Encoding", "gzip");
    let made = compressed.send("POST", "/api/teams", Some(&gzip(&team("a")))).expect(201).json();
    assert_eq!(made["name"], "Café");
    admin.with("Content-Encoding", "identity").send("POST", "/api/teams", Some(&team("b"))).expect(201);
    let refused = admin.with("Content-Encoding", "br").send("POST", "/api/teams", Some(&team("c")));
    assert_eq!(refused.refuse(415, "UNSUPPORTED_MEDIA_TYPE").header("Accept-Encoding"), Some("gzip"));
    compressed.send("POST", "/api/teams", Some(&team("c"))).refuse(400, "MALFORMED_REQUEST");
    let whole = gzip(&team("c"));
    compressed.send("POST", "/api/teams", Some(&whole[..whole.len() - 9])).refuse(400, "MALFORMED_REQUEST");
}

#[test]
fn what_is_small_only_while_it_is_compressed_is_too_large() {
    let app = App::start();
    let compressed = app.admin().client.with("Content-Encoding", "gzip");
    let bomb = gzip(&vec![b' '; 100 << 20]);
    assert!(bomb.len() < 1 << 20);
    compressed.send("POST", "/api/teams", Some(&bomb)).refuse(413, "PAYLOAD_TOO_LARGE");
}

#[test]
fn a_body_is_in_utf_8_whatever_else_it_says_of_itself() {
    let app = App::start();
    let admin = app.admin().client;
    let send = |kind: &str, slug: &str| {
        let body = json!({ "name": "x", "slug": slug }).to_string();
        admin.with("Content-Type", kind).send("POST", "/api/teams", Some(body.as_bytes()))
    };
    send("application/json; charset=UTF-8", "a").expect(201);
    send("application/json;charset=\"utf-8\"", "b").expect(201);
    send("application/json; charset=utf-16", "c").refuse(415, "UNSUPPORTED_MEDIA_TYPE");
    send("application/json; charset=iso-8859-1", "d").refuse(415, "UNSUPPORTED_MEDIA_TYPE");
    send("text/plain", "e").refuse(415, "UNSUPPORTED_MEDIA_TYPE");
}
