//! What users do with their own account: register, look, change the password, prove an address.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api_keys::PERMISSIONS_MAX;
use super::login::word;
use super::users::{ends_keys, key_choice, new_password};
use super::{Identity, password, token, users};
use crate::db::{Purpose, Session, Statements, Which};
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Form, Mode, list, text, uuid};
use crate::http::{Access, Call, Credential, Endpoint, Limit, Many, Output, Reply, get, post};
use crate::resource::explain;
use crate::sql;
use crate::sql::Json;

/// How long what was sent by mail is good, in seconds: for a new address two days, for a password an hour.
const VERIFY_SECONDS: i64 = 2 * 24 * 3600;
const RESET_SECONDS: i64 = 3600;
const VERIFY: &str = "VERIFY_EMAIL";
const RESET: &str = "RESET_PASSWORD";

pub(super) fn endpoints(identity: &Arc<Identity>) -> Vec<Endpoint> {
    let on = |act: fn(&Arc<Identity>, &mut Call<'_, '_>) -> Result<Reply>| {
        let identity = identity.clone();
        move |call: &mut Call<'_, '_>| act(&identity, call)
    };
    let email = || text("email").required().max(254).form(Form::EMAIL).help("The user's e-mail address.");
    let token = || text("token").required().max(255).help("What came by mail.");
    let registration =
        vec![email(), new_password("password"), text("name").default("").help("What people call the user.")];
    let change = vec![text("current_password").required().max(1024), new_password("new_password"), key_choice()];
    let public = |path, summary, act, fields| {
        post(path, Access::Public, on(act))
            .summary(summary)
            .pool(Which::Priority)
            .limit(Limit::Login)
            .input(fields, Mode::Create)
    };
    vec![
        public("/api/auth/register", "Register as a user", register, registration)
            .answers(202, message())
            .named("Registration", "Message")
            .fails(&[Code::InsufficientPermissions]),
        get("/api/auth/me", Access::SignedIn, me)
            .summary("Who is calling")
            .answers(200, Output::Object(me_fields()))
            .named("", "Me")
            .fails(&[Code::NotFound]),
        post("/api/auth/password", Access::SignedIn, on(change_password))
            .summary("Change one's own password, and end all other sessions")
            .limit(Limit::Login)
            .input(change, Mode::Create)
            .answers(204, Output::Nothing)
            .named("PasswordChange", "")
            .fails(&[Code::InvalidCredentials, Code::InsufficientPermissions]),
        public("/api/auth/forgot", "Ask for a mail to set a new password", forgot, vec![email()])
            .answers(202, message())
            .named("ForgottenPassword", "Message"),
        public(
            "/api/auth/reset",
            "Set a new password with what came by mail",
            reset,
            vec![token(), new_password("password"), key_choice()],
        )
        .answers(204, Output::Nothing)
        .named("PasswordReset", ""),
        public("/api/auth/verify-email", "Prove an e-mail address with what came by mail", verify_email, vec![token()])
            .answers(204, Output::Nothing)
            .named("EmailVerification", ""),
    ]
}

fn message() -> Output {
    Output::Object(vec![text("message").read_only().never_null().help("What happens now.")])
}

/// A user, and what the user showed.
fn me_fields() -> Vec<Field> {
    let mut fields = users::all_fields();
    fields.extend([
        uuid("api_key_id").read_only().never_null().sometimes().help("The API key that was shown."),
        list("permissions", text(""), PERMISSIONS_MAX)
            .read_only()
            .never_null()
            .sometimes()
            .help("What that key may do, of what the user may."),
        uuid("session_id").read_only().never_null().sometimes().help("The session whose token was shown."),
    ]);
    fields
}

impl Identity {
    /// The hash of a new password in the input.
    pub(super) fn new_password(&self, input: &Map<String, Value>, name: &str) -> Result<String> {
        let text = word(input, name);
        match password::fault(text) {
            Some(fault) => Err(Error::new(Code::ValidationError, "1 field needs attention").field(name, fault)),
            None => self.passwords.hash(text),
        }
    }

    /// Sends somebody a token that proves that they read mail there.
    fn send_token(&self, session: &mut Session, actor: &str, user: Uuid, email: &str, kind: &str) -> Result<()> {
        let new = token::generate()?;
        let seconds = if kind == VERIFY { VERIFY_SECONDS } else { RESET_SECONDS };
        session
            .one(&sql!("identity/user_tokens/insert"), &[&Json(actor), &user, &kind, &new.hash.as_slice(), &seconds])?;
        match kind {
            VERIFY => self.mail.verify_email(email, &new.token),
            _ => self.mail.reset_password(email, &new.token),
        }
        Ok(())
    }
}

/// Whether an address is taken is told to nobody but its reader.
fn register(identity: &Arc<Identity>, call: &mut Call<'_, '_>) -> Result<Reply> {
    if !identity.is_registration_open {
        let message = "registration is closed here; an administrator makes accounts (AUTH_REGISTRATION=open opens it)";
        return Err(Error::new(Code::InsufficientPermissions, message));
    }
    let mut input = call.input()?;
    let hash = identity.new_password(&input, "password")?;
    let email = word(&input, "email").to_owned();
    input.remove("password");
    input.insert("password_hash".to_owned(), json!(hash));
    input.insert("role".to_owned(), json!("USER"));
    input.insert("status".to_owned(), json!("PENDING_VERIFICATION"));
    input.insert("metadata".to_owned(), json!({}));
    let (body, actor) = (Value::Object(input).to_string(), call.actor());
    let inserted = call.session()?.one(&sql!("identity/users/insert"), &[&Json(&actor), &Json(&body)]);
    match inserted {
        Ok(row) => identity.send_token(&mut call.session()?, &actor, row.get("id"), &email, VERIFY)?,
        Err(error) if error.code == Code::Conflict => identity.mail.already_registered(&email),
        Err(error) => return Err(explain(error, "identity.users", users::RULES)),
    }
    Ok(Reply::value(202, &json!({ "message": "a mail is on its way; what it says makes the account usable" })))
}

fn me(call: &mut Call<'_, '_>) -> Result<Reply> {
    let caller = call.caller()?.clone();
    let query = sql!("identity/users/select");
    let text = format!("SELECT to_json(q.*)::text FROM (SELECT * FROM (\n{}\n) AS t WHERE t.id = $1) AS q", query.text);
    let rows = call.read(|statements| statements.all_of(query.name, text.as_str().into(), &[&caller.user_id]))?;
    let row = rows.first().ok_or_else(|| Error::new(Code::NotFound, "the user is gone"))?;
    let mut body: Value = serde_json::from_str(row.get(0)).unwrap_or_default();
    match &caller.credential {
        Credential::ApiKey { id, permissions } => {
            body["api_key_id"] = json!(id);
            body["permissions"] = json!(permissions);
        }
        Credential::Session { id } => body["session_id"] = json!(id),
    }
    Ok(Reply::value(200, &body))
}

fn change_password(identity: &Arc<Identity>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let caller = call.caller()?.clone();
    let Some(session) = caller.session_id() else {
        return Err(Error::new(Code::InsufficientPermissions, "a password is changed by its user, not by an API key"));
    };
    let user = call.read(|statements| statements.maybe(&sql!("identity/users/password"), &[&caller.user_id]))?;
    let hash: Option<String> = user.and_then(|row| row.get("password_hash"));
    if !identity.passwords.verify(word(&input, "current_password"), hash.as_deref())? {
        return Err(Error::new(Code::InvalidCredentials, "the current password is wrong"));
    }
    let hash = identity.new_password(&input, "new_password")?;
    let (actor, ends_keys) = (call.actor(), ends_keys(&input));
    call.session()?.maybe(
        &sql!("identity/users/set_password"),
        &[&Json(&actor), &caller.user_id, &hash, &Some(session), &ends_keys],
    )?;
    Ok(Reply::empty(204))
}

/// Answers before it looks whether somebody has the address, so that neither the reply nor its time tells.
fn forgot(identity: &Arc<Identity>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let email = word(&input, "email").to_owned();
    call.service.limits().charge(Limit::Login, crate::http::Who::Account(email.to_lowercase()))?;
    let (identity, actor) = (identity.clone(), call.actor());
    let purpose = Purpose { what: call.endpoint.label, request: Some(call.request_id) };
    call.afterwards(move |service| {
        let mut session = service.database().session(Which::Priority, purpose)?;
        match session.maybe(&sql!("identity/users/login"), &[&email])? {
            Some(user) => identity.send_token(&mut session, &actor, user.get("id"), &email, RESET),
            None => Ok(()),
        }
    });
    Ok(Reply::value(202, &json!({ "message": "if somebody has this address, a mail is on its way" })))
}

fn reset(identity: &Arc<Identity>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let token = token::hash(word(&input, "token"));
    let hash = identity.new_password(&input, "password")?;
    let (actor, ends_keys) = (call.actor(), ends_keys(&input));
    call.write(Many::Yes, |statements| {
        let user = use_token(statements, &actor, &token, RESET)?;
        let none: Option<Uuid> = None;
        statements.maybe(&sql!("identity/users/set_password"), &[&Json(&actor), &user, &hash, &none, &ends_keys])?;
        // Whoever gets the mail has proved to read it.
        statements.all(&sql!("identity/users/verify_email"), &[&Json(&actor), &user])?;
        Ok(Reply::empty(204))
    })
}

fn verify_email(_: &Arc<Identity>, call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let token = token::hash(word(&input, "token"));
    let actor = call.actor();
    call.write(Many::Yes, |statements| {
        let user = use_token(statements, &actor, &token, VERIFY)?;
        statements.all(&sql!("identity/users/verify_email"), &[&Json(&actor), &user])?;
        Ok(Reply::empty(204))
    })
}

/// The user whose token it is. It works once.
fn use_token(statements: &mut dyn Statements, actor: &str, token: &[u8; 32], kind: &str) -> Result<Uuid> {
    let row = statements.maybe(&sql!("identity/user_tokens/use"), &[&Json(actor), &token.as_slice(), &kind])?;
    row.map(|row| row.get(0)).ok_or_else(|| {
        let message = "the token is unknown, used or expired; ask for another mail";
        Error::new(Code::ValidationError, "1 field needs attention").field("token", message)
    })
}
