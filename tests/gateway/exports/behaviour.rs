//! What requests meet in a gateway that has loaded our routes.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{RUNNING, Setting};
use crate::support::upstream::{free_port, target, upstream_at};

/// Method and target of a request, and what the upstream is asked for, or the status of the gateway's own answer.
type Case = (&'static str, &'static str, Result<&'static str, u16>);

#[test]
fn gateways_take_the_same_route_as_mainstay_and_ask_its_upstream_for_the_same_path() {
    let setting = Setting::new();
    let all = json!({ "methods": ["GET", "POST"] });
    setting.route("cart", "/shop/cart", json!({}));
    setting.route("buy", "/shop/cart", json!({ "methods": ["POST"] }));
    setting.route("item", "/shop/{id}", all.clone());
    setting.route("part", "/shop/{id}/parts/{part}", json!({}));
    setting.route("shop", "/shop/*", all.clone());
    setting.route("off", "/off", json!({ "enabled": false }));
    setting.route("slash", "/folder/", json!({}));
    setting.route("v2", "/api/v1/*", json!({ "strip_path": "/api/v1" }));
    setting.route_to("", "bare", "/bare/*", json!({ "strip_path": "/bare" }));
    setting.route_to("/", "all-off", "/all/off", json!({ "strip_path": "/all/off" }));
    setting.route_to("", "plain", "/plain/{id}", json!({}));
    setting.route(
        "odd",
        "/it's/$HOME/(a+b)/100%25/%C3%A9/*",
        json!({ "strip_path": "/it's/$HOME/(a+b)/100%25/%C3%A9" }),
    );
    setting.route_to("/b$1'(x)%25", "base", "/base/*", json!({ "strip_path": "/base" }));
    let cases: [Case; 36] = [
        ("GET", "/shop/cart", Ok("/cart/shop/cart")),
        ("GET", "/shop/cart?a=1&b=%20", Ok("/cart/shop/cart?a=1&b=%20")),
        ("POST", "/shop/cart", Ok("/buy/shop/cart")),
        ("DELETE", "/shop/cart", Err(404)),
        ("GET", "/shop/7", Ok("/item/shop/7")),
        ("POST", "/shop/7", Ok("/item/shop/7")),
        ("GET", "/shop/a%2Fb", Ok("/item/shop/a%2Fb")),
        ("GET", "/shop/7/parts/8", Ok("/part/shop/7/parts/8")),
        ("POST", "/shop/7/parts/8", Ok("/shop/shop/7/parts/8")),
        ("GET", "/shop/", Ok("/shop/shop/")),
        ("GET", "/shop", Ok("/shop/shop")),
        ("GET", "/shop/7/x?/../y", Ok("/shop/shop/7/x?/../y")),
        ("GET", "/shopping", Err(404)),
        ("GET", "/Shop/cart", Err(404)),
        ("GET", "/off", Err(404)),
        ("GET", "/", Err(404)),
        ("GET", "/folder/", Ok("/slash/folder/")),
        ("GET", "/folder", Err(404)),
        ("GET", "/api/v1", Ok("/v2")),
        ("GET", "/api/v1?q", Ok("/v2?q")),
        ("GET", "/api/v1/", Ok("/v2/")),
        ("GET", "/api/v1/a%2Fb/c%20d?q=/api/v1", Ok("/v2/a%2Fb/c%20d?q=/api/v1")),
        ("GET", "/api/v1/api/v1", Ok("/v2/api/v1")),
        ("GET", "/api/v11", Err(404)),
        ("GET", "/bare", Ok("/")),
        ("GET", "/bare?q=1", Ok("/?q=1")),
        ("GET", "/bare/bare", Ok("/bare")),
        ("GET", "/all/off", Ok("/")),
        ("GET", "/plain/a%3Bb;c", Ok("/plain/a%3Bb;c")),
        ("GET", "/it's/$HOME/(a+b)/100%25/%C3%A9/x", Ok("/odd/x")),
        ("GET", "/it's/$HOME/(a+b)/100%25/%c3%a9/x", Ok("/odd/x")),
        ("GET", "/base/x", Ok("/b$1'(x)%25/x")),
        // What could be read in two ways goes nowhere.
        ("GET", "/shop/../off", Err(400)),
        ("GET", "/shop/%2e%2E/off", Err(400)),
        ("GET", "/shop/c%61rt", Err(400)),
        ("GET", "/shop/.", Err(400)),
    ];
    for format in RUNNING {
        let gateway = setting.gateway(format);
        for (method, path, expected) in cases {
            let answer = gateway.client().send(method, path, (method == "POST").then_some(b"{}"));
            let found = match answer.status {
                200 => Ok(target(&answer.json()).to_owned()),
                status => Err(status),
            };
            assert_eq!(found, expected.map(str::to_owned), "{format}: {method} {path}");
        }
    }
}

#[test]
fn gateways_set_headers_and_take_them_away() {
    let setting = Setting::new();
    let headers = json!({ "X-Team": "payments", "Authorization": null, "Cookie": null, "X-Given": "ours" });
    setting.route("headers", "/headers", json!({ "headers": headers }));
    setting.route("host", "/host", json!({ "headers": { "Host": "shop.example.org" } }));
    for format in RUNNING {
        let gateway = setting.gateway(format);
        let client = gateway.client().with("Authorization", "secret").with("Cookie", "a=b").with("X-Given", "theirs");
        let seen = client.with("X-Other", "stays").get("/headers").expect(200).json();
        let header = |name: &str| seen["headers"][name].as_str();
        let found = ["x-team", "x-given", "x-other", "authorization", "cookie"].map(header);
        assert_eq!(found, [Some("payments"), Some("ours"), Some("stays"), None, None], "{format}");
        assert_eq!(header("host"), Some(&*setting.upstream.to_string()), "{format}");
        let seen = client.get("/host").expect(200).json();
        assert_eq!(seen["headers"]["host"], "shop.example.org", "{format}");
    }
}

#[test]
fn gateways_give_up_after_the_timeout_and_refuse_what_is_over_the_limit_and_all_where_they_cannot_ask() {
    let setting = Setting::new();
    setting.route("slow", "/slow", json!({ "timeout": 300 }));
    setting.route("fast", "/fast", json!({ "timeout": 30_000 }));
    setting.route("limited", "/limited", json!({ "rate_limit": { "max": 3, "windowMs": 60_000 } }));
    setting.route("also", "/also", json!({ "rate_limit": { "max": 1, "windowMs": 60_000 } }));
    setting.route("private", "/private", json!({ "auth": { "type": "jwt" } }));
    setting.route("open", "/open", json!({ "auth": { "type": "none" } }));
    for format in RUNNING {
        let gateway = setting.gateway(format);
        let client = gateway.client();
        let start = Instant::now();
        client.get("/slow").expect(504);
        assert!(start.elapsed() < Duration::from_secs(2), "{format} waited {:?}", start.elapsed());
        client.get("/fast").expect(200);
        let statuses: Vec<u16> = (0..5).map(|_| client.get("/limited").status).collect();
        let statuses = (statuses, [client.get("/also").status, client.get("/also").status]);
        match format {
            "caddy" => assert_eq!(statuses, (vec![200; 5], [200; 2]), "{format} has no limits"),
            _ => assert_eq!(statuses, (vec![200, 200, 200, 429, 429], [200, 429]), "{format}"),
        }
        client.get("/private").expect(403);
        client.get("/open").expect(200);
        let notes = setting.notes(format);
        let is_noted = |route: &str, field: &str| notes.iter().any(|note| note.0 == route && note.1 == field);
        assert!(is_noted("private", "auth") && is_noted("", "timeout"), "{format}: {notes:?}");
        assert_eq!(is_noted("limited", "rate_limit"), format == "caddy", "{notes:?}");
    }
}

#[test]
fn gateways_try_again_when_the_upstream_cannot_be_reached() {
    let setting = Setting::new();
    let port = free_port();
    let route = |name: &str, retry| json!({ "name": name, "path": format!("/{name}"), "upstream": format!("http://127.0.0.1:{port}"), "retry": retry });
    let client = &setting.user.client;
    client.post("/api/routes", &route("never", json!(null))).expect(201);
    client.post("/api/routes", &route("again", json!({ "attempts": 8, "backoff": 400 }))).expect(201);
    let running: Vec<_> = RUNNING.map(|format| (format, setting.gateway(format))).into();
    for (format, gateway) in &running {
        let status = gateway.client().get("/never").status;
        assert!([502, 503].contains(&status), "{format}: {status}");
    }
    // nginx makes no pauses, which its notes say: it has given up before anybody listens.
    assert!(setting.notes("nginx").iter().any(|note| note.1 == "retry"));
    thread::scope(|scope| {
        let patient = running.iter().filter(|(format, _)| *format != "nginx");
        let asked: Vec<_> =
            patient.map(|(format, gateway)| (format, scope.spawn(|| gateway.client().get("/again").status))).collect();
        thread::sleep(Duration::from_millis(600));
        upstream_at(TcpListener::bind(("127.0.0.1", port)).unwrap());
        for (format, asked) in asked {
            assert_eq!(asked.join().unwrap(), 200, "{format}");
        }
    });
}
