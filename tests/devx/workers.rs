//! Workers claim generations under leases: each is done by one, and none is forgotten.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{claim, path, project, worker};
use crate::support::App;
use crate::support::app::text;
use crate::support::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

fn steps(app: &App, generation: &Value) -> Vec<String> {
    let timeline = app.admin().client.get(&format!("{}/timeline", path(generation))).expect(200).json();
    timeline["data"].as_array().unwrap().iter().map(|step| text(&step["type"])).collect()
}

#[test]
fn a_generation_is_claimed_kept_and_completed_and_all_of_it_is_told() {
    let app = App::start();
    let (user, worker) = (app.user(), worker(&app));
    assert_eq!(claim(&worker, "w1", 60), None);
    let shop = project(&user.client, "Shop");
    let asked = user.client.post("/api/generations", &json!({ "project_id": shop["id"] })).expect(201).json();
    let mine = claim(&worker, "w1", 60).unwrap();
    assert_eq!((&mine["id"], &mine["generation_status"]), (&asked["id"], &json!("running")));
    assert_eq!((&mine["lease_holder"], &mine["fence"], &mine["attempts"]), (&json!("w1"), &json!(1), &json!(1)));
    assert_eq!(claim(&worker, "w2", 60), None, "nobody else gets it");
    let beat = json!({ "fence": 1, "lease_seconds": 600 });
    let kept = worker.post(&format!("{}/heartbeat", path(&mine)), &beat).expect(200).json();
    assert!(text(&kept["lease_until"]) > text(&mine["lease_until"]));
    assert_eq!(kept["version"], mine["version"], "a heartbeat is no change");
    let files = json!([{ "path": "src/main.rs", "bytes": 12 }]);
    let done = json!({ "fence": 1, "output_files": files });
    let done = worker.post(&format!("{}/complete", path(&mine)), &done).expect(200).json();
    assert_eq!((&done["generation_status"], &done["output_files"]), (&json!("completed"), &files));
    assert!(done["execution_time_ms"].is_i64() && done["completed_at"].is_string() && done["lease_holder"].is_null());
    for (word, body) in [
        ("complete", json!({ "fence": 1 })),
        ("fail", json!({ "fence": 1, "error_message": "no" })),
        ("heartbeat", json!({ "fence": 1 })),
    ] {
        worker.post(&format!("{}/{word}", path(&mine)), &body).refuse(409, "CONFLICT");
    }
    assert_eq!(steps(&app, &asked), ["created", "claimed", "completed"]);
    let told = user.client.get("/api/activity?sort=-id&limit=1").json();
    assert_eq!(told["data"][0]["summary"], "The generation of a project has completed for Shop");
}

#[test]
fn what_fails_is_tried_again_later_until_it_has_failed_for_good() {
    let app = App::start();
    let (user, worker) = (app.user(), worker(&app));
    let asked = user.client.post("/api/generations", &json!({ "attempts_max": 2 })).expect(201).json();
    let mine = claim(&worker, "w", 60).unwrap();
    let failure = json!({ "fence": mine["fence"], "error_message": "disk full" });
    let failed = worker.post(&format!("{}/fail", path(&mine)), &failure).expect(200).json();
    assert_eq!((&failed["generation_status"], &failed["error_message"]), (&json!("pending"), &json!("disk full")));
    assert_eq!(claim(&worker, "w", 60), None, "it waits for a while");
    app.database.client().batch_execute("UPDATE devx.generation_history SET due_at = now()").unwrap();
    let mine = claim(&worker, "w", 60).unwrap();
    assert_eq!((&mine["fence"], &mine["attempts"]), (&json!(2), &json!(2)));
    let failure = json!({ "fence": 2, "error_message": "disk still full" });
    let failed = worker.post(&format!("{}/fail", path(&mine)), &failure).expect(200).json();
    assert_eq!(failed["generation_status"], "failed");
    assert_eq!(steps(&app, &asked), ["created", "claimed", "retrying", "claimed", "failed"]);
    user.client.post("/api/generations", &json!({})).expect(201);
    let mine = claim(&worker, "w", 60).unwrap();
    let failure = json!({ "fence": 1, "error_message": "never", "retry": false });
    let failed = worker.post(&format!("{}/fail", path(&mine)), &failure).expect(200).json();
    assert_eq!(failed["generation_status"], "failed");
}

#[test]
fn a_worker_that_is_not_heard_of_is_replaced_and_its_word_counts_no_more() {
    let app = App::start();
    let (user, worker) = (app.user(), worker(&app));
    let asked = user.client.post("/api/generations", &json!({ "attempts_max": 2 })).expect(201).json();
    let lost = claim(&worker, "lost", 1).unwrap();
    let next = wait_for("the lease has run out", PATIENCE, || claim(&worker, "next", 1));
    assert_eq!((&next["id"], &next["fence"]), (&asked["id"], &json!(2)));
    for (word, body) in [("complete", json!({ "fence": 1 })), ("heartbeat", json!({ "fence": 1 }))] {
        worker.post(&format!("{}/{word}", path(&lost)), &body).refuse(409, "CONFLICT");
    }
    wait_for("it has failed for good", PATIENCE, || {
        (user.client.get(&path(&asked)).json()["generation_status"] == "failed").then_some(())
    });
    let failed = user.client.get(&path(&asked)).json();
    assert!(text(&failed["error_message"]).contains("the worker next was not heard of"), "{failed}");
    assert_eq!(steps(&app, &asked), ["created", "claimed", "lost", "claimed", "failed"]);
}

#[test]
fn of_many_workers_at_once_each_gets_another_generation() {
    const GENERATIONS: usize = 40;
    let app = App::start();
    let (user, worker) = (app.user(), worker(&app));
    for _ in 0..GENERATIONS {
        user.client.post("/api/generations", &json!({})).expect(201);
    }
    let claimed: Vec<String> = std::thread::scope(|scope| {
        let work = |number: usize| {
            let worker = &worker;
            move || -> Vec<String> {
                std::iter::from_fn(|| claim(worker, &format!("w{number}"), 60)).map(|row| text(&row["id"])).collect()
            }
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(work(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(claimed.len(), GENERATIONS);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), GENERATIONS);
}

#[test]
fn only_workers_claim_and_they_may_do_nothing_else() {
    let app = App::start();
    let (user, worker) = (app.user(), worker(&app));
    user.client.post("/api/generations", &json!({})).expect(201);
    user.client.post("/api/generations/claim", &json!({ "worker": "me" })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    worker.get("/api/generations").refuse(403, "INSUFFICIENT_PERMISSIONS");
    for wrong in [
        json!({}),
        json!({ "worker": "" }),
        json!({ "worker": "w", "lease_seconds": 0 }),
        json!({ "worker": "w", "lease_seconds": 3601 }),
    ] {
        worker.post("/api/generations/claim", &wrong).refuse(422, "VALIDATION_ERROR");
    }
    let trial =
        worker.with("Prefer", "tx=rollback").post("/api/generations/claim", &json!({ "worker": "w" })).expect(200);
    assert_eq!(trial.json()["fence"], 1);
    assert_eq!(claim(&worker, "w", 60).unwrap()["fence"], 1, "a trial claims nothing");
    let nothing = "/api/generations/0192aaaa-0000-7000-8000-000000000000/complete";
    worker.post(nothing, &json!({ "fence": 1 })).refuse(409, "CONFLICT");
}
