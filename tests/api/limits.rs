//! How many requests somebody may send, and who pays for those of nobody.

use crate::support::App;
use crate::support::binary::mainstay;
use crate::support::client::{Answer, Client};
use crate::support::database;

#[test]
fn a_limit_is_for_each_caller_alone_and_says_when_to_come_back() {
    let app = App::start_with(&[("RATE_LIMIT", "5")]);
    let (one, other, known) = (app.user().client, app.user().client, app.user().client);
    known.get("/api/teams").expect(200);
    let ask = |client: &Client| (0..6).map(|_| client.get("/api/teams").status).collect::<Vec<u16>>();
    assert_eq!(ask(&one), [200, 200, 200, 200, 200, 429]);
    assert_eq!(ask(&other), [200, 200, 200, 200, 200, 429]);
    let refused = one.get("/api/teams").refuse(429, "RATE_LIMIT_EXCEEDED");
    let seconds: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=13).contains(&seconds), "five a minute are one in twelve seconds: {seconds}");
    assert_eq!((refused.header("RateLimit-Limit"), refused.header("RateLimit-Remaining")), (Some("5"), Some("0")));
    (0..20).for_each(|_| drop(one.get("/live").expect(200)));
    // Whoever guesses keys is limited by their address, however many they have.
    let guess = |index: usize| app.nobody().with("X-API-Key", &format!("ctm_{index}")).get("/api/teams").status;
    let guesses: Vec<u16> = (0..8).map(guess).collect();
    assert_eq!(guesses, [401, 401, 401, 401, 401, 429, 429, 429]);
    let nowhere: Vec<u16> = (0..3).map(|_| app.nobody().get("/nowhere").status).collect();
    assert_eq!(nowhere, [429, 429, 429], "what is not there is no cheaper");
    // Whoever was known before goes on, and nobody new is looked up for the address.
    known.get("/api/teams").expect(200);
    app.user().client.get("/api/teams").refuse(429, "RATE_LIMIT_EXCEEDED");
}

#[test]
fn every_reply_says_how_its_caller_stands_and_endpoints_may_have_limits_of_their_own() {
    let app = App::start_with(&[("RATE_LIMIT", "100"), ("RATE_LIMITS", "GET /api/teams=3, POST /api/gateway/plan=1")]);
    let user = app.user().client;
    let standing = |answer: &Answer| {
        let number = |name| answer.header(name).unwrap().parse::<u64>().unwrap();
        (number("RateLimit-Limit"), number("RateLimit-Remaining"), number("RateLimit-Reset"))
    };
    let nobody = "/api/teams/00000000-0000-0000-0000-000000000000";
    assert_eq!(standing(&user.get("/api/auth/me").expect(200)), (100, 99, 1));
    assert_eq!(standing(&user.get(nobody).expect(404)), (100, 98, 2), "failures, too");
    assert_eq!(standing(&app.nobody().get("/nowhere").expect(404)).0, 100);
    assert_eq!(standing(&user.get("/api/teams").expect(200)), (3, 2, 20));
    let statuses: Vec<u16> = (0..3).map(|_| user.get("/api/teams").status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    user.get(nobody).expect(404);
    app.user().client.get("/api/teams").expect(200);
    assert_eq!(app.nobody().get("/live").expect(200).header("RateLimit-Limit"), None);
}

#[test]
fn a_limit_of_what_is_no_endpoint_ends_the_start_and_says_so() {
    for (limits, said) in [("GET /api/taems=3", "GET /api/taems, which is no endpoint"), ("teams=3", "is not like")] {
        let home = database();
        let run = mainstay(&["serve"], &[("DATABASE_URL", &home.pairs()), ("PORT", "0"), ("RATE_LIMITS", limits)]);
        assert!(run.code() == 1 && run.said().contains(said), "{}", run.said());
    }
}

#[test]
fn made_up_keys_cost_the_database_no_more_than_their_address_may_ask() {
    let app = App::start_with(&[("RATE_LIMIT", "10")]);
    let known = app.user();
    known.client.get("/api/teams").expect(200);
    let make = "SELECT identity.generate_api_key('made up ' || n, (SELECT min(email) FROM identity.users)) ->> 'api_key' \
                FROM generate_series(1, 31) AS n";
    let mut client = app.database.client();
    let made_up: Vec<String> = client.query(make, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    client.execute("DELETE FROM identity.api_keys WHERE name LIKE 'made up %'", &[]).unwrap();
    let looked_up = || {
        let text = app.nobody().get("/metrics").expect(200).text().to_owned();
        let name = "mainstay_statement_duration_seconds_count{statement=\"identity/api_keys/admit\"} ";
        let line = text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        line.unwrap().parse::<u32>().unwrap()
    };
    let before = looked_up();
    let status = |key: &String| app.nobody().with("X-API-Key", key).get("/api/teams").status;
    assert_eq!([0; 5].map(|_| status(&made_up[0])), [401; 5]);
    assert_eq!(looked_up(), before + 1, "that nobody has it is remembered");
    let statuses: Vec<u16> = made_up[1..].iter().map(status).collect();
    assert!(statuses[..5].iter().all(|status| *status == 401) && statuses[7..].iter().all(|status| *status == 429));
    assert!(looked_up() <= before + 8, "{} were looked up", looked_up() - before);
    known.client.get("/api/teams").expect(200);
}
