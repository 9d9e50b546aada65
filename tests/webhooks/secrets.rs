//! Secrets at rest: sealed for their place, by a key that must be the right one.

use mainstay::config::{Config, Variables};
use mainstay::error::Code;
use mainstay::secret::{Keys, Place, Sealed};
use serde_json::json;
use uuid::Uuid;

use super::{LOCAL, PATIENCE, Receiver, make_team, start_with, webhook};
use crate::support::app::text;
use crate::support::sealing::{KEYS, change_keys};
use crate::support::serving::Serving;
use crate::support::wait::wait_for;

fn keys(variables: &[(&str, &str)]) -> Keys {
    let config = Config::from(&Variables::of(variables.iter().copied()), |path| std::fs::read_to_string(path)).unwrap();
    Keys::configured(&config).unwrap()
}

fn place(row: Uuid) -> Place<'static> {
    Place { table: "gateway.webhooks", column: "secret", row }
}

#[test]
fn what_is_sealed_opens_in_its_own_place_unchanged_and_by_its_own_key_alone() {
    let keys_now = keys(&[("ENCRYPTION_KEY", KEYS[0])]);
    assert_eq!(keys_now.seal(place(Uuid::nil()), b"").unwrap_err().code, Code::DatabaseUnavailable, "untried");
    keys_now.trust();
    let row = Uuid::now_v7();
    let sealed = keys_now.seal(place(row), b"a secret").unwrap();
    assert_eq!(keys_now.open(place(row), &sealed).unwrap(), b"a secret");
    assert_ne!(keys_now.seal(place(row), b"a secret").unwrap(), sealed, "the same nonce twice");
    let parts: Vec<usize> = sealed.text.split(':').map(str::len).collect();
    assert_eq!(parts, [24, 32, 16]);
    assert!(keys_now.open(place(Uuid::now_v7()), &sealed).is_err(), "in another row");
    assert!(keys_now.open(Place { column: "previous_secret", ..place(row) }, &sealed).is_err(), "in another column");
    for at in [0, 25, 58] {
        let mut text = sealed.text.clone().into_bytes();
        text[at] = if text[at] == b'0' { b'1' } else { b'0' };
        let changed = Sealed { text: String::from_utf8(text).unwrap(), ..sealed.clone() };
        assert!(keys_now.open(place(row), &changed).is_err(), "changed at {at}");
    }
    for text in ["", ":", "::", "00:00:00", "é:é:é", "zz:zz:zz"] {
        assert!(keys_now.open(place(row), &Sealed { text: text.to_owned(), ..sealed.clone() }).is_err(), "{text}");
    }
    assert!(keys(&[("ENCRYPTION_KEY", KEYS[1])]).open(place(row), &sealed).is_err());
    let both = keys(&[("ENCRYPTION_KEY", KEYS[1]), ("ENCRYPTION_KEY_PREVIOUS", KEYS[0])]);
    assert_eq!(both.open(place(row), &sealed).unwrap(), b"a secret");
    assert_ne!(both.reseal(place(row), b"x").unwrap().key_id, sealed.key_id);
}

#[test]
fn a_server_with_a_key_that_does_not_open_what_is_stored_is_never_ready_and_seals_nothing() {
    let receiver = Receiver::start();
    let mut app = start_with(&[("ENCRYPTION_KEY", KEYS[0])]);
    let admin = app.admin();
    webhook(&admin.client, &receiver, &["*"], json!({}));
    app.stop();
    let url = app.database.pairs();
    let data = app.data().to_str().unwrap().to_owned();
    let settings = |key| {
        [&LOCAL, &[("DATABASE_URL", url.as_str()), ("MAINSTAY_DATA", &data), ("ENCRYPTION_KEY", key)][..]].concat()
    };
    let wrong = Serving::start(&settings(KEYS[1]));
    wait_for("it says what is wrong", PATIENCE, || {
        let (status, body) = wrong.get("/ready");
        (status == 503 && body.contains("ENCRYPTION_KEY")).then_some(())
    });
    let client = crate::support::client::Client::new(wrong.address()).with("X-API-Key", &admin.key);
    let body = json!({ "name": "another", "url": receiver.url(), "events": ["*"] });
    client.post("/api/webhooks", &body).refuse(503, "DATABASE_UNAVAILABLE");
    drop(wrong);
    let right = Serving::start(&settings(KEYS[0]));
    right.wait_until_ready();
}

#[test]
fn with_another_key_all_secrets_are_sealed_again_and_deliveries_go_on() {
    let receiver = Receiver::start();
    let mut app = start_with(&[("ENCRYPTION_KEY", KEYS[0])]);
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    let path = format!("/api/webhooks/{}/rotate-secret", text(&made["id"]));
    let rotated = client.post(&path, &json!({})).expect(200).json();
    change_keys(&mut app);
    let sql = "INSERT INTO identity.teams (name, slug) VALUES ('late', 'late')";
    app.database.client().batch_execute(sql).unwrap();
    let received = receiver.wait_for(1);
    assert!(
        received[0].is_signed_with(&text(&rotated["secret"])) && received[0].is_signed_with(&text(&made["secret"]))
    );
}

#[test]
fn a_secret_copied_to_another_webhook_does_not_sign_there() {
    let (app, receiver) = (super::start(), Receiver::start());
    let client = app.admin().client;
    let first = webhook(&client, &receiver, &["settings.*"], json!({}));
    let second = webhook(&client, &receiver, &["teams.created"], json!({}));
    let copy = "UPDATE gateway.webhooks AS w SET secret = f.secret FROM gateway.webhooks AS f
        WHERE w.id = $1::text::uuid AND f.id = $2::text::uuid";
    app.database.client().execute(copy, &[&text(&second["id"]), &text(&first["id"])]).unwrap();
    make_team(&client, "one");
    let failed = wait_for("the attempt fails", PATIENCE, || {
        super::deliveries(&client, &second)
            .into_iter()
            .find(|delivery| delivery["attempt"] == 1 && delivery["error"].is_string())
    });
    assert!(text(&failed["error"]).contains("does not open"), "{failed}");
    assert!(receiver.received().is_empty());
}
