//! Figures over time.

use std::time::Duration;

use serde_json::json;

use super::rows;
use crate::support::App;
use crate::support::wait::wait_for;

#[test]
fn figures_are_added_and_found_by_name_time_and_labels() {
    let app = App::start();
    let writes = ["write:system-metrics", "write:performance-metrics"];
    let (user, viewer) = (app.machine(&writes).client, app.viewer().client);
    for path in ["/api/system-metrics", "/api/performance-metrics"] {
        for (hour, value) in [(3, 0.5), (1, -2.0), (2, 1e300)] {
            let body = json!({
                "name": "load",
                "value": value,
                "labels": { "host": format!("h{hour}") },
                "recorded_at": format!("2026-01-31T0{hour}:00:00Z"),
            });
            let made = user.post(path, &body).expect(201);
            assert_eq!(made.json()["value"].as_f64(), Some(value));
            assert_eq!(made.header("ETag"), None);
            assert_eq!(viewer.get(made.header("Location").unwrap()).expect(200).json(), made.json());
        }
        user.post(path, &json!({ "name": "other", "value": 7 })).expect(201);
        let values = |query: &str| -> Vec<f64> {
            rows(&viewer, &format!("{path}?{query}")).iter().map(|row| row["value"].as_f64().unwrap()).collect()
        };
        assert_eq!(values("name=load&sort=recorded_at"), [-2.0, 1e300, 0.5]);
        assert_eq!(values("name=load&sort=-recorded_at&limit=1"), [0.5]);
        assert_eq!(values("name=load&recorded_at__gte=2026-01-31T02:00:00Z&sort=recorded_at"), [1e300, 0.5]);
        assert_eq!(values("name=load&labels.host=h1"), [-2.0]);
        assert_eq!(values("name=load&value__lt=0.5"), [-2.0]);
        assert_eq!(values("name=load&value=0.5"), [0.5]);
        for alone in ["labels.host=h1", "value=0.5"] {
            let answer = viewer.get(&format!("{path}?{alone}")).refuse(400, "MALFORMED_REQUEST");
            assert!(answer.text().contains("only beside a filter that finds few rows"), "{}", answer.text());
        }
        assert_eq!(values("name=other&recorded_at__gt=2026-02-01"), [7.0], "without a time it is now");
    }
}

#[test]
fn what_is_no_figure_is_refused_and_nobody_adds_any_who_was_not_granted_it() {
    let app = App::start();
    let user = app.machine(&["write:system-metrics"]).client;
    let path = "/api/system-metrics";
    for value in [json!("1"), json!(null), json!(true), json!([1])] {
        user.post(path, &json!({ "name": "a", "value": value })).refuse(422, "VALIDATION_ERROR");
    }
    user.send("POST", path, Some(br#"{"name":"a","value":1e400}"#)).refuse(400, "MALFORMED_REQUEST");
    let largest = user.post(path, &json!({ "name": "a", "value": f64::MAX })).expect(201).json();
    assert_eq!(largest["value"].as_f64(), Some(f64::MAX), "every finite number is one");
    user.post(path, &json!({ "name": "", "value": 1 })).refuse(422, "VALIDATION_ERROR");
    user.post(path, &json!({ "value": 1 })).refuse(422, "VALIDATION_ERROR");
    for query in ["value=NaN", "value__gt=infinity", "value=1x"] {
        user.get(&format!("{path}?{query}")).refuse(400, "MALFORMED_REQUEST");
    }
    for other in [app.viewer().client, app.user().client] {
        other.post(path, &json!({ "name": "a", "value": 1 })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
}

#[test]
fn the_server_adds_figures_of_itself_and_of_its_work() {
    let app = App::start_with(&[("METRICS_SECONDS", "1"), ("ACCESS_LOG_TABLE", "false")]);
    let admin = app.admin().client;
    for _ in 0..3 {
        admin.get("/api/teams").expect(200);
    }
    let endpoint = "labels.endpoint=GET%20/api/teams";
    let requests = wait_for("the work is measured", Duration::from_secs(30), || {
        rows(&admin, &format!("/api/performance-metrics?name=requests&{endpoint}")).pop()
    });
    assert!(requests["value"].as_f64().is_some_and(|count| (1.0..=3.0).contains(&count)), "{requests}");
    for name in ["requests_failed", "request_ms_mean", "request_ms_max"] {
        assert!(!rows(&admin, &format!("/api/performance-metrics?name={name}&{endpoint}")).is_empty(), "{name}");
    }
    let memory = rows(&admin, "/api/system-metrics?name=process_memory_bytes");
    assert!(memory[0]["value"].as_f64() > Some(1e6) && memory[0]["labels"]["server"].is_string(), "{memory:?}");
    assert!(!rows(&admin, "/api/system-metrics?name=pool_connections_open&labels.pool=primary").is_empty());
    assert_eq!(app.running().recorder().map(|recorder| recorder.recorded().figures_dropped), Some(0));
    let count = "SELECT count(*) FROM telemetry.api_access_logs";
    assert_eq!(app.database.client().query_one(count, &[]).unwrap().get::<_, i64>(0), 0);
}
