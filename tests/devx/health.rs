//! Services are asked how they are, where that is wanted, and where one may reach.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::App;
use crate::support::app::text;
use crate::support::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);

/// Something that answers every request with the status that it is told.
fn service() -> (String, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    let status = Arc::new(AtomicU16::new(200));
    let told = status.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 2048];
            let _ = stream.read(&mut buffer);
            let status = told.load(Ordering::Relaxed);
            let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (url, status)
}

#[test]
fn services_that_want_it_are_asked_and_how_they_were_is_kept() {
    let app = App::start_with(&[("SERVICE_CHECK_ALLOW_HTTP", "true"), ("SERVICE_CHECK_ALLOW_PRIVATE", "127.0.0.1")]);
    let (user, stranger) = (app.user().client, app.user().client);
    let (url, status) = service();
    let body = json!({ "name": "Pay", "health_check_url": url, "health_check_enabled": true });
    let made = user.post("/api/services", &body).expect(201).json();
    let quiet = user.post("/api/services", &json!({ "name": "Quiet", "health_check_url": url })).expect(201).json();
    let path = format!("/api/services/{}", text(&made["id"]));
    let shows = |wanted: &str| {
        // The next time comes by itself, but later than a test wants to wait.
        let again =
            "UPDATE devx.services SET health_checked_at = NULL WHERE health_checked_at < now() - interval '3 seconds'";
        app.database.client().batch_execute(again).unwrap();
        (user.get(&path).json()["health_status"] == wanted).then_some(())
    };
    wait_for("it is up", PATIENCE, || shows("UP"));
    status.store(503, Ordering::Relaxed);
    wait_for("it is down", PATIENCE, || shows("DOWN"));
    assert_eq!(user.get(&path).json()["version"], 1, "how it is, is no change of it");
    let checks = format!("/api/health-checks?sort=id&service_id={}", text(&made["id"]));
    let seen = user.get(&checks).expect(200).json()["data"].as_array().unwrap().clone();
    assert_eq!((&seen[0]["status"], &seen[0]["response_status"]), (&json!("UP"), &json!(200)));
    assert!(seen.iter().any(|check| check["response_status"] == 503 && check["status"] == "DOWN"));
    assert_eq!(stranger.get(&checks).expect(200).json()["data"], json!([]));
    let never = user.get(&format!("/api/services/{}", text(&quiet["id"]))).json();
    assert!(never["health_checked_at"].is_null(), "nobody asked for it");
}

#[test]
fn nobody_is_asked_where_a_stranger_must_not_send_us() {
    // What webhooks may reach, which administrators make, is not for those of everybody.
    let app = App::start_with(&[("SERVICE_CHECK_ALLOW_HTTP", "true"), ("WEBHOOK_ALLOW_PRIVATE", "127.0.0.1")]);
    let user = app.user().client;
    let (url, _) = service();
    let body = json!({ "name": "Inside", "health_check_url": url, "health_check_enabled": true });
    let made = user.post("/api/services", &body).expect(201).json();
    let checks = format!("/api/health-checks?service_id={}", text(&made["id"]));
    let seen =
        wait_for("it was tried", PATIENCE, || user.get(&checks).json()["data"].as_array().unwrap().first().cloned());
    assert_eq!((&seen["status"], &seen["response_status"]), (&json!("DOWN"), &json!(null)));
    assert!(!text(&seen["error"]).is_empty());
}
