//! Coming and going: login, refresh, logout.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Identity;
use super::strangers::{FAILURES_MAX, LOCK_TIME};
use super::token::{self, ACCESS_TIME};
use crate::db::{Purpose, Statements, Which};
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Mode, choice, integer, text, timestamp, uuid};
use crate::http::{Access, Call, Endpoint, Limit, Output, Reply, Role, Who, post};
use crate::sql;
use crate::sql::Json;

/// How long a session lasts, in seconds: 30 days.
const SESSION_SECONDS: i64 = 30 * 24 * 3600;

/// What a login answers.
fn tokens() -> Output {
    Output::Object(vec![
        text("access_token").max(2048).read_only().never_null().help("For Authorization: Bearer."),
        text("token_type").read_only().never_null().help("Bearer."),
        integer("expires_in").read_only().never_null().unit("seconds").help("How long the access token is good."),
        text("refresh_token").read_only().never_null().help("For POST /api/auth/refresh, once."),
        timestamp("session_expires_at").read_only().never_null().help("When one has to log in again."),
        uuid("session_id").read_only().never_null().help("The session."),
        uuid("user_id").read_only().never_null().help("The user."),
        choice("role", &Role::NAMES).read_only().never_null().help("What the user may do."),
    ])
}

pub(super) fn endpoints(identity: &Arc<Identity>) -> Vec<Endpoint> {
    let on = |act: fn(&Arc<Identity>, &mut Call<'_, '_>) -> Result<Reply>| {
        let identity = identity.clone();
        move |call: &mut Call<'_, '_>| act(&identity, call)
    };
    let credentials: Vec<Field> = vec![
        text("email").required().max(254).help("The user's e-mail address."),
        text("password").required().max(1024).help("The user's password."),
    ];
    let refresh = vec![text("refresh_token").required().max(255).help("What the last login or refresh gave.")];
    vec![
        post("/api/auth/login", Access::Public, on(login))
            .summary("Log in with e-mail address and password")
            .pool(Which::Priority)
            .limit(Limit::Login)
            .input(credentials, Mode::Create)
            .answers(200, tokens())
            .named("Credentials", "Tokens")
            .fails(&[Code::InvalidCredentials, Code::AccountLocked]),
        post("/api/auth/refresh", Access::Public, on(refresh_tokens))
            .summary("Exchange a refresh token for new tokens")
            .pool(Which::Priority)
            .limit(Limit::Login)
            .input(refresh, Mode::Create)
            .answers(200, tokens())
            .named("Refresh", "Tokens")
            .fails(&[Code::InvalidToken]),
        post("/api/auth/logout", Access::SignedIn, logout)
            .summary("End this session")
            .pool(Which::Priority)
            .answers(204, Output::Nothing)
            .fails(&[Code::InsufficientPermissions]),
        post("/api/auth/logout-all", Access::Permission(super::sessions::WRITE), logout_all)
            .summary("End all sessions of the caller")
            .pool(Which::Priority)
            .guarded(true)
            .answers(204, Output::Nothing),
    ]
}

/// A text of the input, which is there because the declaration demands it.
pub(super) fn word<'a>(input: &'a Map<String, Value>, name: &str) -> &'a str {
    input.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn login(identity: &Arc<Identity>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let (email, password) = (word(&input, "email"), word(&input, "password"));
    call.service.limits().charge(Limit::Login, Who::Account(email.to_lowercase()))?;
    identity.counting.wait(email);
    // The connection goes back before the password is hashed, and so before most of the time has passed.
    let user = call.read(|statements| statements.maybe(&sql!("identity/users/login"), &[&email]))?;
    let hash: Option<String> = user.as_ref().and_then(|user| user.get("password_hash"));
    let hash = hash.as_deref();
    let is_right = identity.passwords.verify(password, hash)?;
    let wrong = || Error::new(Code::InvalidCredentials, "the e-mail address or the password is wrong");
    let locked: Option<SystemTime> = user.as_ref().and_then(|user| user.get("locked_until"));
    let locked_for = locked.and_then(|until| until.duration_since(SystemTime::now()).ok());
    if let Some(left) = locked_for {
        return Err(account_locked(left));
    }
    if !is_right {
        count_failure(identity, call, email, user.as_ref().map(|user| user.get("id")));
    }
    let Some(user) = user else {
        return Err(identity.strangers.fail(email).map_or_else(wrong, account_locked));
    };
    if !is_right {
        // A lock that is over is forgotten with the failures that brought it.
        let failures = if locked.is_some() { 0 } else { user.get::<_, i32>("failed_logins") };
        return Err(if failures + 1 >= FAILURES_MAX as i32 { account_locked(LOCK_TIME) } else { wrong() });
    }
    let (id, actor): (Uuid, String) = (user.get("id"), call.actor());
    if user.get::<_, &str>("status") != "ACTIVE" {
        // Only whoever knows the password learns this.
        let message = match user.get("status") {
            "PENDING_VERIFICATION" => "the e-mail address is not verified yet",
            _ => "the account is not active",
        };
        return Err(Error::new(Code::InvalidCredentials, message));
    }
    let rehash = hash.filter(|hash| identity.passwords.is_outdated(hash)).map(|_| identity.passwords.hash(password));
    let new = token::refresh()?;
    let (address, agent) = (call.address.map(|address| address.to_string()), call.user_agent().to_owned());
    let mut session = call.session()?;
    let user = session
        .maybe(&sql!("identity/users/login_succeeded"), &[&Json(&actor), &id])?
        .ok_or_else(|| account_locked(Duration::from_secs(60)))?;
    if let Some(Ok(hash)) = rehash {
        session.exec(&sql!("identity/users/rehash"), &[&id, &hash])?;
    }
    let (hash, family) = (new.hash.as_slice(), token::hash(token::family(&new.token)));
    let row = session.one(
        &sql!("identity/sessions/insert"),
        &[&Json(&actor), &id, &hash, &address, &agent, &SESSION_SECONDS, &family.as_slice()],
    )?;
    answer(identity, id, user.get("role"), row.get("id"), row.get("expires_at"), &new.token)
}

/// Counts a wrong password when the reply has been sent, so that its time does not tell whether there is somebody to count
/// it for.
fn count_failure(identity: &Arc<Identity>, call: &Call<'_, '_>, email: &str, user: Option<Uuid>) {
    let (counted, actor) = (identity.counting.begin(email), call.actor());
    let purpose = Purpose { what: call.endpoint.label, request: Some(call.request_id) };
    call.afterwards(move |service| {
        let _counted = counted;
        let mut session = service.database().session(Which::Priority, purpose)?;
        session.exec(&sql!("identity/users/login_failed"), &[&Json(&actor), &user.unwrap_or_default()]).map(drop)
    });
}

fn account_locked(left: Duration) -> Error {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let message = format!("too many wrong passwords; the account is locked for another {seconds} s");
    Error::new(Code::AccountLocked, message).retry_after(Duration::from_secs(seconds))
}

fn refresh_tokens(identity: &Arc<Identity>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let brought = word(&input, "refresh_token");
    let (old, family) = (token::hash(brought), token::family(brought));
    let new = token::refresh_after(family)?;
    let actor = call.actor();
    let mut session = call.session()?;
    let row =
        session.maybe(&sql!("identity/sessions/rotate"), &[&Json(&actor), &old.as_slice(), &new.hash.as_slice()])?;
    match row {
        Some(row) => {
            let (user, role) = (row.get("user_id"), row.get("role"));
            answer(identity, user, role, row.get("id"), row.get("expires_at"), &new.token)
        }
        None => {
            // One that was exchanged already has two holders, and one of them is a thief.
            let family = token::hash(family);
            let reused = session.all(&sql!("identity/sessions/reuse"), &[&Json(&actor), &family.as_slice()])?;
            if !reused.is_empty() {
                log::warn!(
                    "request {}: a refresh token came back after its use; its session is revoked",
                    call.request_id
                );
            }
            Err(Error::new(Code::InvalidToken, "the refresh token is unknown, used or expired; log in again"))
        }
    }
}

fn answer(
    identity: &Identity,
    user: Uuid,
    role: &str,
    session: Uuid,
    expires_at: SystemTime,
    refresh_token: &str,
) -> Result<Reply> {
    let seconds = expires_at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let body = json!({
        "access_token": identity.tokens.issue(user, session, role)?,
        "token_type": "Bearer",
        "expires_in": ACCESS_TIME.as_secs(),
        "refresh_token": refresh_token,
        "session_expires_at": crate::config::show_time(seconds),
        "session_id": session,
        "user_id": user,
        "role": role,
    });
    Ok(Reply::value(200, &body))
}

fn logout(call: &mut Call<'_, '_>) -> Result<Reply> {
    let Some(id) = call.caller()?.session_id() else {
        return Err(Error::new(Code::InsufficientPermissions, "an API key has no session; revoke the key instead"));
    };
    let actor = call.actor();
    call.session()?.all(&sql!("identity/sessions/revoke"), &[&Json(&actor), &id])?;
    Ok(Reply::empty(204))
}

fn logout_all(call: &mut Call<'_, '_>) -> Result<Reply> {
    let (user, actor) = (call.caller()?.user_id, call.actor());
    call.session()?.all(&sql!("identity/sessions/revoke_all"), &[&Json(&actor), &user])?;
    Ok(Reply::empty(204))
}
