//! Many events to many endpoints, of which some hang, fail, reset, and answer slowly.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::receiver::Manner;
use super::{Receiver, start_with, webhook};
use crate::support::App;
use crate::support::app::text;
use crate::support::database::migrated;
use crate::support::number;
use crate::support::wait::wait_for;

const ENDPOINTS: usize = 20;
const LOCK_DUE: &str = include_str!("../../sql/gateway/webhooks/lock_due.sql");
const LOCK_OF: &str = include_str!("../../sql/gateway/webhooks/lock_of.sql");
const CLAIM: &str = include_str!("../../sql/gateway/webhook_deliveries/claim.sql");
const COMPLETE: &str = include_str!("../../sql/gateway/webhook_deliveries/complete.sql");

/// Endpoints of which eight are well: the first two of each five.
fn endpoints() -> Vec<Receiver> {
    let manners = |index: usize| {
        move |received: &super::receiver::Received, before: usize| {
            // What a bad one does to the first attempts it does not do to all: in the end, everything arrives.
            let is_bad_day = before < 4;
            match index % 5 {
                2 if is_bad_day => Manner::Never,
                3 if is_bad_day => Manner::Reset,
                3 if received.id().ends_with(['0', '1']) && before.is_multiple_of(2) => Manner::Answer(503),
                4 => Manner::Slowly(Duration::from_millis(30)),
                _ => Manner::Answer(200),
            }
        }
    };
    (0..ENDPOINTS).map(|index| Receiver::with(manners(index))).collect()
}

/// Events to all endpoints, until all have arrived.
fn deliver(events: usize, time: Duration) -> (App, Vec<Receiver>) {
    let app = start_with(&[("WEBHOOK_TIMEOUT", "2s")]);
    let client = app.admin().client;
    let receivers = endpoints();
    let schedule: Vec<u64> = vec![1; 15];
    let made: Vec<Value> = receivers
        .iter()
        .map(|receiver| {
            webhook(&client, receiver, &["settings.created"], json!({ "retry_config": { "schedule": schedule } }))
        })
        .collect();
    let sql =
        "INSERT INTO ops.settings (key, value) SELECT 'key' || n, to_jsonb(n) FROM generate_series(1, $1::bigint) AS n";
    app.database.client().execute(sql, &[&(events as i64)]).unwrap();
    wait_for("everything is delivered", time, || {
        let sql = "SELECT FROM gateway.webhook_deliveries WHERE status IN ('PENDING', 'DELIVERING') LIMIT 1";
        app.database.client().query(sql, &[]).unwrap().is_empty().then_some(())
    });
    assert!(made.iter().all(|webhook| !text(&webhook["id"]).is_empty()));
    (app, receivers)
}

/// Nothing is lost, and who answered well got nothing twice.
fn check(app: &App, receivers: &[Receiver], events: usize) {
    for (index, receiver) in receivers.iter().enumerate() {
        let received = receiver.received();
        let mut count: HashMap<&str, usize> = HashMap::new();
        for one in &received {
            *count.entry(one.id()).or_default() += 1;
        }
        assert_eq!(count.len(), events, "endpoint {index}");
        if index % 5 < 2 || index % 5 == 4 {
            assert_eq!(received.len(), events, "endpoint {index} got something twice");
        }
    }
    let sql =
        "SELECT count(*), count(*) FILTER (WHERE status = 'PROCESSED'), sum(attempts) FROM gateway.webhook_events";
    let row = app.database.client().query_one(sql, &[]).unwrap();
    let sent: usize = receivers.iter().map(|receiver| receiver.received().len()).sum();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (events as i64, events as i64));
    assert_eq!(row.get::<_, i64>(2), sent as i64, "what was sent and what was recorded differ");
}

/// 100 events; WEBHOOK_EVENTS=2500 makes it 50,000 deliveries, and a matter of minutes.
#[test]
fn nothing_is_lost_and_nothing_is_sent_twice_without_need_however_badly_some_endpoints_behave() {
    let events = number("WEBHOOK_EVENTS", 100);
    let (app, receivers) = deliver(events, Duration::from_secs(300.max(events as u64)));
    check(&app, &receivers, events);
}

/// Six endpoints hang for as long as an attempt may take. There is room for four deliveries at a time.
#[test]
fn an_endpoint_that_is_known_to_be_quick_waits_for_none_of_those_that_hang() {
    const HANGING: Duration = Duration::from_secs(20);
    let app = start_with(&[("WEBHOOK_TIMEOUT", "20s"), ("WEBHOOK_IN_FLIGHT", "4")]);
    let client = app.admin().client;
    let quick = Receiver::start();
    webhook(&client, &quick, &["*"], json!({}));
    super::make_team(&client, "first");
    quick.wait_for(1);
    let hanging: Vec<Receiver> = (0..6).map(|_| Receiver::with(|_, _| Manner::Never)).collect();
    for receiver in &hanging {
        webhook(&client, receiver, &["settings.created"], json!({}));
    }
    let sql = "INSERT INTO ops.settings (key, value) SELECT 'key' || n, to_jsonb(n) FROM generate_series(1, 50) AS n";
    app.database.client().batch_execute(sql).unwrap();
    wait_for("the hanging ones have what they can get", HANGING, || {
        (hanging.iter().map(|receiver| receiver.received().len()).sum::<usize>() >= 2).then_some(())
    });
    let start = Instant::now();
    for number in 0..20 {
        super::make_team(&client, &format!("team-{number}"));
    }
    wait_for("the quick one has everything", HANGING, || {
        let teams = quick.received().iter().filter(|received| received.kind() == "teams.created").count();
        (teams == 21).then_some(())
    });
    assert!(start.elapsed() < HANGING / 2, "{:?}", start.elapsed());
}

/// The planner expects to take a part of all that waits; it must not read all of it for those few.
#[test]
fn a_claim_finds_its_deliveries_by_keys_however_many_wait() {
    let database = migrated();
    let mut client = database.client();
    let waiting = "INSERT INTO gateway.webhooks (name, url, events, secret, secret_key_id, ordered)
             SELECT 'webhook ' || n, 'https://example.org', '{*}', repeat('0', 24) || ':' || repeat('0', 32) || ':00', 'key', n = 20
             FROM generate_series(1, 20) AS n;
         INSERT INTO gateway.webhook_deliveries (event_id, event_created_at, event_type, webhook_id)
             SELECT md5(n::text)::uuid, now(), 'settings.created', w.id
             FROM generate_series(1, 2500) AS n, gateway.webhooks AS w;
         ANALYZE gateway.webhooks, gateway.webhook_deliveries;
         SET plan_cache_mode = force_generic_plan;
         SET jit = off;";
    client.batch_execute(waiting).unwrap();
    let prepare = format!(
        "PREPARE lock_due (integer, uuid[], bigint, bigint) AS {LOCK_DUE};
         PREPARE claim (bigint, bigint, integer, uuid[], bigint, bigint, uuid[]) AS {CLAIM}"
    );
    client.batch_execute(&prepare).unwrap();
    let locked = client.query("EXECUTE lock_due (4, '{}', 16, 7)", &[]).unwrap();
    assert_eq!(locked.len(), 7, "no more than there is room for");
    let plan = client.query("EXPLAIN EXECUTE lock_due (4, '{}', 16, 7)", &[]).unwrap();
    let plan: String = plan.iter().map(|row| row.get::<_, String>(0) + "\n").collect();
    assert!(!plan.contains("Seq Scan on webhook_deliveries"), "{plan}");
    let all: String = client.query_one("SELECT array_agg(id)::text FROM gateway.webhooks", &[]).unwrap().get(0);
    let execute = &format!("EXECUTE claim (60000, 16, 4, '{{}}', 32, 4, '{all}')");
    let plan = client.query(&format!("EXPLAIN {execute}"), &[]).unwrap();
    let plan: String = plan.iter().map(|row| row.get::<_, String>(0) + "\n").collect();
    assert!(!plan.contains("Seq Scan on webhook_deliveries"), "{plan}");
    let oldest = plan.lines().skip_while(|line| !line.contains("Subquery Scan on oldest")).take(5).collect::<String>();
    assert!(oldest.contains("webhook_deliveries_open"), "{plan}");
    let (mut claimed, rows) = (HashMap::<uuid::Uuid, usize>::new(), client.query(execute, &[]).unwrap());
    for row in &rows {
        *claimed.entry(row.get("webhook_id")).or_default() += 1;
    }
    // First one of each, then a second of those that are next; four of the places are not for these.
    assert_eq!((rows.len(), claimed.len(), claimed.values().max()), (28, 20, Some(&2)));
}

/// Several servers claim and complete at the same time, as the deliverer does: nobody takes what another has, waits in a
/// circle, or goes away with empty hands while something is due.
#[test]
fn servers_that_claim_and_complete_at_the_same_time_are_not_in_each_others_way() {
    const SERVERS: usize = 4;
    const CLAIMS: usize = 60;
    let database = migrated();
    let fill = "INSERT INTO gateway.webhooks (name, url, events, secret, secret_key_id)
             SELECT 'webhook ' || n, 'https://example.org', '{tests.made}', repeat('0', 24) || ':' || repeat('0', 32) || ':00', 'key'
             FROM generate_series(1, 20) AS n;
         SELECT telemetry.make_today('gateway.webhook_events', 'day');
         INSERT INTO gateway.webhook_events (id, type, payload, deliveries, unfinished, status, created_at)
             SELECT md5(n::text)::uuid, 'settings.created', '{}', 20, 20, 'PENDING', now()
             FROM generate_series(1, 200) AS n;
         INSERT INTO gateway.webhook_deliveries (event_id, event_created_at, event_type, webhook_id)
             SELECT e.id, e.created_at, e.type, w.id
             FROM gateway.webhook_events AS e, gateway.webhooks AS w;";
    database.client().batch_execute(fill).unwrap();
    let serve = || -> usize {
        let mut client = database.client();
        let mut empty = 0;
        for _ in 0..CLAIMS {
            let mut claim = client.transaction().unwrap();
            let none = Vec::<uuid::Uuid>::new();
            let locked = claim.query(LOCK_DUE, &[&4, &none, &16_i64, &4_i64]).unwrap();
            let locked: Vec<uuid::Uuid> = locked.iter().map(|row| row.get(0)).collect();
            let rows = claim.query(CLAIM, &[&60_000_i64, &16_i64, &4, &none, &16_i64, &4_i64, &locked]).unwrap();
            claim.commit().unwrap();
            empty += usize::from(rows.is_empty());
            let ids: Vec<uuid::Uuid> = rows.iter().map(|row| row.get("id")).collect();
            let outcome = |row: &postgres::Row| {
                let id: uuid::Uuid = row.get("id");
                json!({ "id": id.to_string(), "fence": row.get::<_, i64>("fence"), "status": "SUCCEEDED", "response_status": 200 })
            };
            let outcomes = Value::Array(rows.iter().map(outcome).collect()).to_string();
            let complete = COMPLETE.replace("$1", "$1::text::jsonb");
            let mut record = client.transaction().unwrap();
            record.query(LOCK_OF, &[&ids]).unwrap();
            assert_eq!(record.query(&complete, &[&outcomes]).unwrap().len(), rows.len(), "each is its claimer's");
            record.commit().unwrap();
        }
        empty
    };
    let empty: usize = std::thread::scope(|scope| {
        let servers: Vec<_> = (0..SERVERS).map(|_| scope.spawn(serve)).collect();
        servers.into_iter().map(|server| server.join().unwrap()).sum()
    });
    let left = "SELECT count(*) FILTER (WHERE status = 'PENDING'), count(*) FILTER (WHERE status = 'SUCCEEDED')
        FROM gateway.webhook_deliveries";
    let row = database.client().query_one(left, &[]).unwrap();
    let (pending, succeeded): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(pending + succeeded, 4000, "nothing is lost");
    // When three others have locked all there are, there is nothing for the fourth; it asks again.
    assert!(empty < SERVERS * CLAIMS / 5, "{empty} claims were empty while {pending} waited");
}
