//! What the statements of `identity` do, as the handlers run them.

use std::thread;

use mainstay::sql;
use mainstay::sql::Query;
use postgres::Row;
use postgres::types::ToSql;
use serde_json::{Value, json};

use super::*;

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

const FAILED: Query = sql!("identity/users/login_failed");
const ROTATE: Query = sql!("identity/sessions/rotate");

fn run(client: &mut Client, query: Query, params: Params<'_>) -> Vec<Row> {
    client.query(query.text, params).unwrap_or_else(|error| panic!("{}: {error:?}", query.name))
}

fn actor() -> Value {
    json!({"request_id": "test"})
}

/// A session with the token whose hash is 32 times this byte, and so is that of its family.
fn session(client: &mut Client, user: Uuid, token: u8) -> Uuid {
    run(
        client,
        sql!("identity/sessions/insert"),
        &[&actor(), &user, &[token; 32].as_slice(), &"::1", &"agent".repeat(1000), &3600_i64, &[token; 32].as_slice()],
    )[0]
    .get("id")
}

fn is_admitted(client: &mut Client, session: Uuid) -> bool {
    run(client, sql!("identity/sessions/admit"), &[&session]).iter().any(|row| row.get("is_good"))
}

#[test]
fn the_fifth_wrong_password_in_a_row_locks_the_account_for_fifteen_minutes() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "One@example.org", "USER");
    let fail = |client: &mut Client| -> (i32, bool) {
        let row = &run(client, FAILED, &[&actor(), &id])[0];
        (row.get(0), row.get::<_, Option<std::time::SystemTime>>(1).is_some())
    };
    let succeed = |client: &mut Client| run(client, sql!("identity/users/login_succeeded"), &[&actor(), &id]).len();
    assert_eq!((0..4).map(|_| fail(&mut client)).collect::<Vec<_>>(), [(1, false), (2, false), (3, false), (4, false)]);
    assert_eq!(succeed(&mut client), 1, "four are forgiven");
    let last = (0..5).map(|_| fail(&mut client)).last().unwrap();
    assert_eq!(last, (5, true));
    assert_eq!(succeed(&mut client), 0, "not even the right password opens it now");
    let left = "SELECT extract(epoch FROM locked_until - now())::float8 / 60 FROM identity.users";
    let minutes: f64 = client.query_one(left, &[]).unwrap().get(0);
    assert!((14.0..=15.0).contains(&minutes), "{minutes}");
    assert_eq!(fail(&mut client), (6, true));
    let again: f64 = client.query_one(left, &[]).unwrap().get(0);
    assert!(again <= minutes, "who keeps trying does not make it longer");

    client.batch_execute("UPDATE identity.users SET locked_until = now() - interval '1 second'").unwrap();
    assert_eq!(fail(&mut client), (1, false), "after the lock, counting starts again");
    client.batch_execute("UPDATE identity.users SET locked_until = now() + interval '1 hour'").unwrap();
    assert_eq!(run(&mut client, sql!("identity/users/unlock"), &[&actor(), &id]).len(), 1);
    assert_eq!(succeed(&mut client), 1);
    let row = &run(&mut client, sql!("identity/users/login"), &[&"oNE@EXAMPLE.org"])[0];
    assert_eq!((row.get::<_, Uuid>("id"), row.get::<_, i32>("failed_logins")), (id, 0));
}

#[test]
fn fifty_wrong_passwords_at_once_are_all_counted() {
    let (database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let attack = || {
        let mut client = database.client();
        (0..10).for_each(|_| drop(run(&mut client, FAILED, &[&actor(), &id])));
    };
    thread::scope(|scope| (0..5).for_each(|_| drop(scope.spawn(attack))));
    assert_eq!(client.query_one("SELECT failed_logins FROM identity.users", &[]).unwrap().get::<_, i32>(0), 50);
}

#[test]
fn a_refresh_token_works_once_and_a_used_one_that_comes_back_ends_the_session() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let session = session(&mut client, id, 1);
    let rotate = |client: &mut Client, old: u8, new: u8| {
        run(client, ROTATE, &[&actor(), &[old; 32].as_slice(), &[new; 32].as_slice()])
            .first()
            .map(|row| row.get::<_, Uuid>("id"))
    };
    let reuse = |client: &mut Client, family: u8| {
        run(client, sql!("identity/sessions/reuse"), &[&actor(), &[family; 32].as_slice()]).len()
    };
    assert_eq!(rotate(&mut client, 1, 2), Some(session));
    assert_eq!((rotate(&mut client, 1, 9), reuse(&mut client, 7)), (None, 0));
    assert!(is_admitted(&mut client, session));
    assert_eq!(reuse(&mut client, 1), 1);
    assert!(!is_admitted(&mut client, session));
    assert_eq!(rotate(&mut client, 2, 3), None, "neither copy goes on");
}

#[test]
fn a_session_ends_when_it_is_revoked_or_over_or_its_user_is_not_active() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let sessions: Vec<Uuid> = (1..5).map(|token| session(&mut client, id, token)).collect();
    assert!(sessions.iter().all(|session| is_admitted(&mut client, *session)));
    assert_eq!(run(&mut client, sql!("identity/sessions/revoke"), &[&actor(), &sessions[0]]).len(), 1);
    client.execute("UPDATE identity.sessions SET expires_at = now() WHERE id = $1", &[&sessions[1]]).unwrap();
    let admitted: Vec<bool> = sessions.iter().map(|session| is_admitted(&mut client, *session)).collect();
    assert_eq!(admitted, [false, false, true, true]);
    client.batch_execute("UPDATE identity.users SET status = 'SUSPENDED'").unwrap();
    assert!(!is_admitted(&mut client, sessions[2]));
    client.batch_execute("UPDATE identity.users SET status = 'ACTIVE'").unwrap();
    assert_eq!(run(&mut client, sql!("identity/sessions/revoke_all"), &[&actor(), &id]).len(), 3);
    assert!(!is_admitted(&mut client, sessions[2]));
    assert_eq!(client.execute(sql!("identity/sessions/clean").text, &[&100_i64]).unwrap(), 1, "what is over goes");
}

#[test]
fn a_new_password_ends_all_sessions_but_the_one_that_set_it_and_mails_that_are_under_way() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let other = user(&mut client, "other@example.org", "USER");
    let sessions = [session(&mut client, id, 1), session(&mut client, id, 2), session(&mut client, other, 3)];
    let reset = |client: &mut Client, token: u8| {
        run(
            client,
            sql!("identity/user_tokens/insert"),
            &[&actor(), &id, &"RESET_PASSWORD", &[token; 32].as_slice(), &600_i64],
        );
    };
    let use_token = |client: &mut Client, kind: &str, token: u8| {
        run(client, sql!("identity/user_tokens/use"), &[&actor(), &[token; 32].as_slice(), &kind]).len()
    };
    (1..4).for_each(|token| reset(&mut client, token));
    assert_eq!(use_token(&mut client, "VERIFY_EMAIL", 1), 0, "of another kind");
    assert_eq!(use_token(&mut client, "RESET_PASSWORD", 1), 1);
    assert_eq!(use_token(&mut client, "RESET_PASSWORD", 1), 0, "once");
    run(&mut client, FAILED, &[&actor(), &id]);
    let hash = format!("$2b$04${}", "a".repeat(53));
    let rows =
        run(&mut client, sql!("identity/users/set_password"), &[&actor(), &id, &hash, &Some(sessions[0]), &false]);
    assert_eq!(rows[0].get::<_, i64>("revoked_sessions"), 1);
    assert_eq!(sessions.map(|session| is_admitted(&mut client, session)), [true, false, true]);
    assert_eq!(use_token(&mut client, "RESET_PASSWORD", 2), 0);
    let row = client
        .query_one("SELECT failed_logins, password_changed_at IS NOT NULL FROM identity.users WHERE id = $1", &[&id]);
    let row = row.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, bool>(1)), (0, true));
}

#[test]
fn a_key_that_is_rotated_goes_on_for_a_while_beside_its_successor_and_is_rotated_once() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let body = json!({
        "user_id": id, "name": "deploy", "prefix": "ctm_12345678", "key_hash": format!("\\x{}", "01".repeat(32)),
        "permissions": ["read:*"], "metadata": {"a": 1},
    });
    let old: Uuid = run(&mut client, sql!("identity/api_keys/insert"), &[&actor(), &body])[0].get("id");
    let admit = |client: &mut Client, key: u8| -> Option<Vec<String>> {
        let rows = run(client, sql!("identity/api_keys/admit"), &[&[key; 32].as_slice()]);
        rows.first().filter(|row| row.get("is_good")).map(|row| row.get("permissions"))
    };
    assert_eq!(admit(&mut client, 1), Some(vec!["read:*".to_owned()]));
    let rotate = |client: &mut Client, key: u8| -> Option<Uuid> {
        let until: Option<&str> = None;
        run(
            client,
            sql!("identity/api_keys/rotate"),
            &[&actor(), &old, &"ctm_abcdefgh", &[key; 32].as_slice(), &3600_i64, &until],
        )
        .first()
        .map(|row| row.get("id"))
    };
    let new = rotate(&mut client, 2).unwrap();
    assert_eq!(rotate(&mut client, 3), None);
    assert_eq!((admit(&mut client, 1), admit(&mut client, 2), admit(&mut client, 3)), {
        let both = Some(vec!["read:*".to_owned()]);
        (both.clone(), both, None)
    });
    let row = client.query_one("SELECT replaced_by FROM identity.api_keys WHERE id = $1", &[&old]).unwrap();
    assert_eq!(row.get::<_, Uuid>(0), new);
    client.execute("UPDATE identity.api_keys SET expires_at = now() WHERE id = $1", &[&old]).unwrap();
    assert_eq!(admit(&mut client, 1), None);
    run(&mut client, sql!("identity/api_keys/revoke"), &[&actor(), &new]);
    assert_eq!(admit(&mut client, 2), None);
    let touch = sql!("identity/api_keys/touch").text;
    assert_eq!((client.execute(touch, &[&new]).unwrap(), client.execute(touch, &[&new]).unwrap()), (1, 0));
}

#[test]
fn changes_of_different_fields_at_once_both_stay_and_an_old_version_is_refused() {
    let (database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    let update = sql!("identity/users/update");
    let change = |client: &mut Client, body: Value, version: Option<i32>| {
        run(client, update, &[&actor(), &vec![id], &body, &version]).first().map(|row| row.get::<_, i32>("version"))
    };
    // The first holds the row while the second waits for it.
    let mut first = database.client();
    let mut open = first.transaction().unwrap();
    open.query(update.text, &[&actor(), &vec![id], &json!({"name": "new", "metadata": {"a": 1}}), &None::<i32>])
        .unwrap();
    let second = thread::scope(|scope| {
        let second = scope.spawn(|| change(&mut database.client(), json!({"phone_number": "+49 30 1234"}), None));
        crate::support::wait::wait_for("the second waits", Duration::from_secs(20), || {
            let waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            client.query_opt(waits, &[]).unwrap()
        });
        open.commit().unwrap();
        second.join().unwrap()
    });
    assert_eq!(second, Some(3));
    let row = client.query_one("SELECT name, phone_number, metadata FROM identity.users", &[]).unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("new", "+49 30 1234"));
    assert_eq!(row.get::<_, Value>(2), json!({"a": 1}));
    assert_eq!(change(&mut client, json!({"name": "x"}), Some(2)), None);
    assert_eq!(change(&mut client, json!({"phone_number": null, "id": Uuid::nil(), "version": 9}), Some(3)), Some(4));
    let row = client.query_one("SELECT id, name, phone_number FROM identity.users", &[]).unwrap();
    assert_eq!((row.get::<_, Uuid>(0), row.get::<_, &str>(1)), (id, "new"), "what is not named stays");
    assert_eq!(row.get::<_, Option<&str>>(2), None, "null clears");
}

#[test]
fn a_new_address_has_to_be_verified_again() {
    let (_database, mut client) = migrated();
    let body = json!({"email": "one@example.org", "name": "", "role": "USER", "status": "PENDING_VERIFICATION", "metadata": {}});
    let id: Uuid = run(&mut client, sql!("identity/users/insert"), &[&actor(), &body])[0].get("id");
    let row = &run(&mut client, sql!("identity/users/verify_email"), &[&actor(), &id])[0];
    assert_eq!(row.get::<_, &str>("status"), "ACTIVE");
    let mut is_verified = |email: &str| {
        let row = &run(
            &mut client,
            sql!("identity/users/update"),
            &[&actor(), &vec![id], &json!({"email": email}), &None::<i32>],
        )[0];
        row.get::<_, Option<std::time::SystemTime>>("email_verified_at").is_some()
    };
    assert!(is_verified("One@example.org"));
    assert!(!is_verified("two@example.org"));
}

#[test]
fn users_and_keys_are_changed_by_their_users_too_although_these_may_not_read_all_of_the_row() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "USER");
    client.query_one("SELECT identity.generate_api_key('k', $1::uuid::text)", &[&id]).unwrap();
    let key: Uuid = client.query_one("SELECT id FROM identity.api_keys", &[]).unwrap().get(0);
    client.batch_execute(&format!("SET app.current_user_id = '{id}'; SET ROLE authenticated_users")).unwrap();
    let name = json!({"name": "mine"});
    assert_eq!(run(&mut client, sql!("identity/users/update"), &[&actor(), &vec![id], &name, &Some(1)]).len(), 1);
    assert_eq!(run(&mut client, sql!("identity/api_keys/update"), &[&actor(), &vec![key], &name, &Some(1)]).len(), 1);
    for query in [
        sql!("identity/users/select"),
        sql!("identity/api_keys/select"),
        sql!("identity/sessions/select"),
        sql!("identity/teams/select"),
        sql!("identity/team_members/select"),
    ] {
        run(&mut client, query, &[]);
    }
    let statement = sql!("identity/users/update").text;
    let error = client.query(statement, &[&actor(), &vec![id], &json!({"role": "ADMIN"}), &None::<i32>]).unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    assert_eq!(run(&mut client, sql!("identity/api_keys/delete"), &[&actor(), &vec![key], &Some(2)]).len(), 1);
}

#[test]
fn a_secret_setting_is_not_shown_and_stays_secret_until_it_has_another_value() {
    let (_database, mut client) = migrated();
    let body = json!({
        "id": Uuid::now_v7(), "key": "mail.password", "value": null, "value_sealed": "hidden", "value_key_id": "k",
        "description": "", "secret": true,
    });
    let row = &run(&mut client, sql!("ops/settings/insert"), &[&actor(), &body])[0];
    let id: Uuid = row.get("id");
    assert_eq!(row.get::<_, Option<Value>>("value"), None);
    let mut change = |body: Value| -> (bool, Option<Value>) {
        let row = &run(&mut client, sql!("ops/settings/update"), &[&actor(), &vec![id], &body, &None::<i32>])[0];
        (row.get("secret"), row.get("value"))
    };
    assert_eq!(change(json!({"description": "of the mail server"})), (true, None));
    assert_eq!(change(json!({"secret": false})), (true, None));
    let open = json!({"secret": false, "value": "open", "value_sealed": null, "value_key_id": null});
    assert_eq!(change(open), (false, Some(json!("open"))));
}

#[test]
fn statistics_count_users_by_what_they_are_and_do() {
    let (_database, mut client) = migrated();
    let id = user(&mut client, "one@example.org", "ADMIN");
    user(&mut client, "two@example.org", "USER");
    session(&mut client, id, 1);
    run(&mut client, sql!("identity/users/login_succeeded"), &[&actor(), &id]);
    (0..5).for_each(|_| drop(run(&mut client, FAILED, &[&actor(), &id])));
    let text = format!("SELECT to_jsonb(q) FROM ({}) AS q", sql!("identity/users/statistics").text);
    let statistics: Value = client.query_one(&text, &[]).unwrap().get(0);
    let expected = json!({
        "total": 2,
        "by_status": {"ACTIVE": 2, "INACTIVE": 0, "SUSPENDED": 0, "PENDING_VERIFICATION": 0},
        "by_role": {"ADMIN": 1, "USER": 1, "VIEWER": 0},
        "locked": 1, "unverified": 2,
        "created_in_7_days": 2, "created_in_30_days": 2,
        "logged_in_in_24_hours": 1, "logged_in_in_30_days": 1,
        "active_sessions": 1, "active_api_keys": 0,
    });
    assert_eq!(statistics, expected);
}
