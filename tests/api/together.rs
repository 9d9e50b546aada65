//! Reads of single rows that come at the same time, and are answered by one statement.
//!
//! To make them come together, the table is locked until all have been asked.

use serde_json::json;
use uuid::Uuid;

use super::specimen::Specimens;
use crate::support::App;
use crate::support::app::text;
use crate::support::client::{Answer, Asked, Client};

/// More than threads serve.
const READS: usize = 100;

/// Asks for all paths while nobody can read the table.
fn ask_together(database: &mut postgres::Client, table: &str, asks: &[(&Client, String)]) -> Vec<Answer> {
    let mut lock = database.transaction().unwrap();
    lock.batch_execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).unwrap();
    let asked: Vec<Asked> = asks.iter().map(|(client, path)| client.begin("GET", path, None).unwrap()).collect();
    // Those who wait for the lock are the threads that have taken all the others.
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass";
    while lock.query_one(waiting, &[&table]).unwrap().get::<_, i64>(0) < 2 {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
    lock.commit().unwrap();
    asked.into_iter().map(|asked| asked.answer().unwrap()).collect()
}

#[test]
fn reads_that_come_together_share_statements_and_each_gets_its_own_answer() {
    let specimens = Specimens::serve();
    let paths: Vec<String> = (0..10).map(|n| specimens.make(&json!({ "name": format!("specimen {n}") }))).collect();
    let nobody = specimens.client.with("Authorization", "nonsense");
    let cached = specimens.client.with("If-None-Match", "\"1\"");
    let unknown = format!("/api/specimens/{}", Uuid::now_v7());
    let ask = |index: usize| match index % 20 {
        10..14 => (&specimens.client, unknown.clone()),
        14..17 => (&nobody, paths[0].clone()),
        17..20 => (&cached, paths[index % 20 - 10].clone()),
        known => (&specimens.client, paths[known].clone()),
    };
    let asks: Vec<_> = (0..READS).map(ask).collect();
    let before = specimens.reads();
    let answers = ask_together(&mut specimens.database.client(), "trial.specimens", &asks);
    for (index, answer) in answers.into_iter().enumerate() {
        match index % 20 {
            10..14 => assert!(answer.refuse(404, "NOT_FOUND").text().contains(&unknown[15..])),
            14..17 => drop(answer.refuse(401, "INVALID_TOKEN")),
            17..20 => drop(answer.expect(304)),
            known => {
                let answer = answer.expect(200);
                assert_eq!(answer.header("ETag"), Some("\"1\""));
                let timing = answer.header("Server-Timing").unwrap();
                assert!(!timing.contains("db;dur=0.000"), "it waited for the database, too: {timing}");
                assert_eq!(answer.json()["name"], format!("specimen {known}"));
            }
        }
    }
    let statements = specimens.reads() - before;
    assert!(statements < READS as u64 / 3, "{READS} requests took {statements} statements");
}

#[test]
fn reads_that_wait_too_long_together_are_all_told_so_and_none_waits_for_the_others_in_turn() {
    let specimens = Specimens::serve_with(&[("DB_QUERY_TIMEOUT", "500")]);
    let path = specimens.make(&json!({ "name": "one" }));
    let mut database = specimens.database.client();
    let mut lock = database.transaction().unwrap();
    lock.batch_execute("LOCK TABLE trial.specimens IN ACCESS EXCLUSIVE MODE").unwrap();
    let before = specimens.reads();
    let asked: Vec<Asked> = (0..READS).map(|_| specimens.client.begin("GET", &path, None).unwrap()).collect();
    for asked in asked {
        asked.answer().unwrap().refuse(504, "QUERY_TIMEOUT");
    }
    // Each statement may take its time; were they as many as the requests, this would take them a minute of it.
    let statements = specimens.reads() - before;
    assert!(statements < READS as u64 / 3, "{READS} requests took {statements} statements");
    lock.commit().unwrap();
    specimens.client.get(&path).expect(200);
}

#[test]
fn a_row_that_cannot_be_read_fails_its_own_request_and_no_other() {
    let specimens = Specimens::serve();
    let good = specimens.make(&json!({ "name": "good", "size": 1 }));
    let bad = specimens.make(&json!({ "name": "bad", "size": 2 }));
    let mut database = specimens.database.client();
    database
        .batch_execute(
            "ALTER TABLE trial.specimens RENAME TO kept;
             CREATE VIEW trial.specimens AS SELECT id, name, count, size / (size - 2) AS size, is_alive, found_at, owner, \
             address, color, days, tags, about, shape, parts, anything, version, created_at, updated_at FROM trial.kept;",
        )
        .unwrap();
    let ask = |index| (&specimens.client, if index == READS / 2 { bad.clone() } else { good.clone() });
    let asks: Vec<_> = (0..READS).map(ask).collect();
    let answers = ask_together(&mut database, "trial.kept", &asks);
    for (index, answer) in answers.into_iter().enumerate() {
        match index == READS / 2 {
            true => assert!(answer.status >= 400, "{}", answer.status),
            false => assert_eq!(answer.expect(200).json()["name"], "good"),
        }
    }
}

#[test]
fn whoever_reads_together_with_others_sees_their_own_rows_alone() {
    let app = App::start();
    let (one, other, admin) = (app.logged_in("USER"), app.logged_in("USER"), app.admin());
    let team = |owner: &crate::support::app::Somebody, slug: &str| {
        text(&owner.client.post("/api/teams", &json!({ "name": slug, "slug": slug })).expect(201).json()["id"])
    };
    let teams = [team(&one, "ones"), team(&other, "others")].map(|id| format!("/api/teams/{id}"));
    let everybody = [&one, &other, &admin];
    // Several of each in turn, as only those of one client are read together.
    let who = |index: usize| index / 8 % 3;
    let ask = |index: usize| (&everybody[who(index)].client, teams[index % 2].clone());
    let asks: Vec<_> = (0..READS).map(ask).collect();
    let answers = ask_together(&mut app.database.client(), "identity.teams", &asks);
    for (index, answer) in answers.into_iter().enumerate() {
        let is_theirs = who(index) == 2 || who(index) == index % 2;
        assert_eq!(answer.status, if is_theirs { 200 } else { 404 }, "request {index}");
    }
}
