//! `/metrics`, and what is built on it: the alerts and the dashboard in `etc/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::support::App;
use crate::support::wait::wait_for;

/// The families of a text: what each is.
fn families(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// A sample's name and value.
fn sample(line: &str) -> (&str, f64) {
    let (name, value) = line.rsplit_once(' ').unwrap();
    (name.split('{').next().unwrap(), value.parse().unwrap())
}

/// A server that has done something, and what it says then.
fn metrics() -> String {
    let app = App::start();
    let admin = app.admin().client;
    admin.post("/api/settings", &json!({ "key": "a", "value": "\"quoted\"" })).expect(201);
    admin.get("/api/settings").expect(200);
    admin.get("/nowhere").expect(404);
    wait_for("the database is measured", Duration::from_secs(20), || {
        let text = app.nobody().get("/metrics").expect(200).text().to_owned();
        text.contains(r#"{job="measure-database",status="succeeded"} 1"#).then_some(text)
    })
}

#[test]
fn every_family_is_explained_once_and_named_as_prometheus_wants_it() {
    let text = metrics();
    let families = families(&text);
    assert_eq!(text.matches("# TYPE ").count(), families.len(), "a family is there twice");
    assert_eq!(text.matches("# HELP ").count(), families.len());
    for (name, kind) in &families {
        assert!(name.starts_with("mainstay_") || name.starts_with("process_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
        let is_base_unit = !["_ms", "_milliseconds", "_kb", "_mib", "_percent"].iter().any(|unit| name.ends_with(unit));
        assert!(is_base_unit, "{name}");
    }
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = sample(line);
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(families.contains_key(name) || families.get(family) == Some(&"histogram"), "{name} has no family");
        assert!(seen.insert(line.rsplit_once(' ').unwrap().0), "{line} is there twice");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn requests_statements_and_jobs_are_counted() {
    let text = metrics();
    for wanted in [
        r#"mainstay_http_requests_total{method="POST",path="/api/settings",status="2xx"} 1"#,
        r#"mainstay_http_requests_total{method="none",path="none",status="4xx"} 1"#,
        r#"mainstay_http_request_duration_seconds_count{method="GET",path="/api/settings"} 1"#,
        r#"mainstay_statement_duration_seconds_count{statement="ops/settings/insert"} 1"#,
        r#"mainstay_pool_connections_max{pool="primary"} 10"#,
        r#"mainstay_job_runs_total{job="measure-database",status="succeeded"} 1"#,
        "mainstay_ready 1",
    ] {
        assert!(text.lines().any(|line| line == wanted), "{wanted} is missing in\n{text}");
    }
}

#[test]
fn who_asks_for_openmetrics_gets_them() {
    let app = App::start();
    app.admin().client.get("/api/settings").expect(200);
    let answer =
        app.nobody().with("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").get("/metrics");
    let answer = answer.expect(200);
    assert!(answer.header("Content-Type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    let text = answer.text();
    assert!(text.ends_with("\n# EOF\n"));
    assert!(
        text.contains("\n# TYPE mainstay_http_requests counter\n") && text.contains("\nmainstay_http_requests_total{")
    );
    assert!(!app.nobody().get("/metrics").expect(200).text().contains("# EOF"));
}

#[test]
fn alerts_and_dashboard_use_only_what_there_is() {
    let text = metrics();
    let families = families(&text);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc");
    for file in ["prometheus-rules.yml", "grafana-dashboard.json"] {
        let written = fs::read_to_string(folder.join(file)).unwrap();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words = written.split(|letter| !is_part(letter));
        let names: BTreeSet<&str> =
            words.filter(|word| word.starts_with("mainstay_") || word.starts_with("process_")).collect();
        assert!(names.len() >= 8, "{file} uses nearly nothing");
        for name in names {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(families.contains_key(name) || families.contains_key(family), "{file}: there is no {name}");
        }
    }
}

#[test]
fn each_alert_has_its_place_in_the_document_and_figures_that_raise_it_and_that_do_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let (rules, document, tests) =
        (read("etc/prometheus-rules.yml"), read("docs/operating/alerts.md"), read("tests/alerts.yml"));
    let names: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 10);
    for name in &names {
        let place = format!("runbook: docs/operating/alerts.md#{}\n", name.to_lowercase());
        assert!(rules.contains(&place) && document.contains(&format!("\n## {name}\n")), "{name}");
        let cases: Vec<&str> =
            tests.split("  - name: ").filter(|case| case.contains(&format!("alertname: {name}\n"))).collect();
        let silent = cases.iter().filter(|case| case.contains("exp_alerts: []")).count();
        assert!(silent > 0 && silent < cases.len(), "{name}");
    }
    assert_eq!(document.matches("\n## ").count(), names.len(), "an alert is gone");
}

#[test]
fn in_production_metrics_need_their_permission_unless_they_are_public() {
    let secret = ("JWT_SECRET", "0f1e2d3c4b5a69788796a5b4c3d2e1f0");
    let production = [("APP_ENV", "production"), secret, ("ENCRYPTION_KEY", "2f1e0d3c4b5a69788796a5b4c3d2e1f9")];
    let app = App::start_with(&production);
    for path in ["/metrics", "/health/detailed", "/health/database", "/api/database/status", "/api/database/metrics"] {
        app.nobody().get(path).refuse(401, "MISSING_API_KEY");
        app.somebody("VIEWER", &["read:metrics"]).client.get(path).expect(200);
        app.somebody("VIEWER", &["read:teams"]).client.get(path).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
    let open = App::start_with(&[production[0], production[1], production[2], ("METRICS_PUBLIC", "true")]);
    open.nobody().get("/metrics").expect(200);
}

#[test]
fn the_database_tells_its_figures_under_the_names_that_the_five_systems_use() {
    let app = App::start();
    let client = app.nobody();
    let status = client.get("/api/database/status").expect(200).json();
    assert!(status["migrations"]["applied"].as_i64() > Some(1) && status["migrations"]["pending"] == 0, "{status}");
    let health = client.get("/api/database/health").expect(200).json();
    assert_eq!(health["pools"].as_object().unwrap().len(), 4);
    for path in ["/api/database/metrics", "/api/v1/metrics/database"] {
        let metrics = client.get(path).expect(200).json();
        assert!(metrics["database"]["size_bytes"].as_i64() > Some(0) && metrics["statements"].is_array());
    }
    let detailed = client.get("/health/detailed").expect(200).json();
    for service in ["database", "migrations", "memory", "partitions", "jobs"] {
        assert_eq!(detailed["services"][service], "healthy", "{detailed}");
    }
}
