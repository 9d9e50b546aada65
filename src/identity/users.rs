//! Users: the resource, statistics, and what administrators do to an account.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::api_keys::PERMISSIONS_MAX;
use super::{Identity, password};
use crate::db::Which;
use crate::error::{Code, Error, Result};
use crate::fields::{Field, Form, Mode, boolean, choice, integer, list, object, record, text, timestamp};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, Role, get, post};
use crate::resource::{Resource, Rule};
use crate::sql;
use crate::sql::Json;

const READ: Permission = Permission::new("read:users", Role::Viewer);
const WRITE: Permission = Permission::new("write:users", Role::User);

pub(super) const RULES: &[Rule] = &[
    Rule::new("users_email_is_unique", "email", "is another user's"),
    Rule::new("users_email_has_the_form_of_one", "email", "must be an e-mail address"),
    Rule::new("users_email_has_at_most_254_characters", "email", "must have at most 254 characters"),
    Rule::new("users_sso_subject_is_unique", "sso_subject", "is another user's"),
    Rule::new("users_sso_has_provider_and_subject", "sso_subject", "and sso_provider belong together"),
    Rule::new("users_sso_has_1_to_255_characters", "sso_subject", "must have 1 to 255 characters"),
    Rule::new("users_password_hash_is_bcrypt", "password", "could not be kept"),
    Rule::new("users_name_has_at_most_255_characters", "name", "must have at most 255 characters"),
    Rule::new("users_phone_number_has_the_form_of_one", "phone_number", "must be a telephone number"),
    Rule::new("users_kind_is_known", "kind", "must be PERSON or SERVICE"),
    Rule::new("users_grants_are_permissions", "grants", "must be at most 100 permissions, and not admin"),
    Rule::new("users_services_never_log_in", "kind", "SERVICE has API keys, and neither a password nor single sign-on"),
    Rule::new("users_role_is_known", "role", "must be ADMIN, USER or VIEWER"),
    Rule::new("users_status_is_known", "status", "is not known"),
    Rule::new("users_failed_logins_is_not_negative", "failed_logins", "must not be negative"),
    Rule::new("users_metadata_is_an_object", "metadata", "must be an object"),
];

pub(super) const STATUSES: [&str; 4] = ["ACTIVE", "INACTIVE", "SUSPENDED", "PENDING_VERIFICATION"];

/// What is a user's own, beside what every resource has.
fn fields() -> Vec<Field> {
    vec![
        text("email").required().max(254).form(Form::EMAIL).admin_writes().help("Where the user gets mail; unique."),
        text("password")
            .write_only()
            .fixed()
            .min(8)
            .max(71)
            .form(Form::PASSWORD)
            .help("The first password, if there is one."),
        text("name").default("").help("What people call the user."),
        text("phone_number").max(32).form(Form::PHONE).help("Where to call the user."),
        choice("kind", &["PERSON", "SERVICE"])
            .fixed()
            .default("PERSON")
            .admin_writes()
            .help("A SERVICE is a machine: it has API keys and never logs in."),
        choice("role", &Role::NAMES).default("USER").admin_writes().help("What the user may do."),
        list("grants", text("").max(70).form(Form::PERMISSION), PERMISSIONS_MAX)
            .default(json!([]))
            .admin_writes()
            .help(
                "Permissions beside those of the role: what a machine is there for, or a collection given to somebody.",
            ),
        choice("status", &STATUSES).default("ACTIVE").admin_writes().help("Only active users may call."),
        boolean("enabled").read_only().never_null().help("Whether the user is active."),
        text("sso_provider").fixed().min(1).with("sso_subject").help("Who vouches for the user, with single sign-on."),
        text("sso_subject").fixed().min(1).with("sso_provider").help("What that provider calls the user."),
        integer("failed_logins").read_only().never_null().help("Wrong passwords in a row."),
        timestamp("locked_until").read_only().help("Until when no login is tried."),
        timestamp("last_login").read_only().help("When the user logged in last."),
        timestamp("password_changed_at").read_only().help("When the password was set."),
        timestamp("email_verified_at").read_only().help("When the user proved to read mail sent there."),
        object("metadata").default(json!({})).help("Anything else."),
    ]
}

/// A password that is to be set.
pub(super) fn new_password(name: &'static str) -> Field {
    let help = "8 characters or more, 71 bytes or less.";
    text(name).required().min(8).max(71).form(Form::PASSWORD).help(help)
}

/// What becomes of API keys with a new password.
pub(super) fn key_choice() -> Field {
    boolean("revoke_api_keys")
        .default(false)
        .help("Whether all API keys of the user end, too. If not, a notification names them.")
}

pub(super) fn ends_keys(input: &Map<String, Value>) -> bool {
    input.get("revoke_api_keys") == Some(&Value::Bool(true))
}

/// All that replies show of a user.
pub(super) fn all_fields() -> Vec<Field> {
    crate::resource::with_common(fields())
}

fn resource(identity: &Arc<Identity>) -> Resource {
    let identity = identity.clone();
    Resource {
        fields: fields(),
        filters: &[
            "email",
            "name",
            "kind",
            "role",
            "grants",
            "status",
            "enabled",
            "locked_until",
            "last_login",
            "sso_provider",
            "metadata",
        ],
        beside: &["grants", "enabled", "locked_until", "last_login"],
        sorts: &["email", "name"],
        searched: &["email", "name"],
        insert: Some(sql!("identity/users/insert")),
        update: Some(sql!("identity/users/update")),
        delete: Some(sql!("identity/users/delete")),
        // Others register.
        create: Permission::ADMIN,
        is_guarded: true,
        own: Some("t.id = {user}"),
        rules: RULES,
        check: Some(Arc::new(move |body| hash_password(&identity, body))),
        ..Resource::new("identity.users", "users", "user", sql!("identity/users/select"), READ, WRITE)
    }
}

/// Hashes the first password.
fn hash_password(identity: &Identity, body: &mut Map<String, Value>) -> Result<()> {
    if let Some(Value::String(text)) = body.remove("password") {
        if let Some(fault) = password::fault(&text) {
            return Err(Error::new(Code::ValidationError, "1 field needs attention").field("password", fault));
        }
        body.insert("password_hash".to_owned(), json!(identity.passwords.hash(&text)?));
    }
    Ok(())
}

pub(super) fn endpoints(identity: &Arc<Identity>) -> Vec<Endpoint> {
    let admin = Access::Permission(Permission::ADMIN);
    let mut endpoints = vec![
        get("/api/users/statistics", admin, statistics_of_all)
            .summary("How many users there are, of which kinds, and how many of them come")
            .pool(Which::Readonly)
            .answers(200, Output::Object(statistics_fields()))
            .named("", "UserStatistics"),
        post("/api/users/{id}/unlock", admin, unlock)
            .summary("Let a locked user try to log in again")
            .answers(204, Output::Nothing)
            .writes(),
        post("/api/users/{id}/logout", admin, log_out)
            .summary("End all sessions of a user")
            .answers(204, Output::Nothing)
            .writes(),
    ];
    let set_password = identity.clone();
    endpoints.push(
        post("/api/users/{id}/password", admin, move |call| set_password_of(&set_password, call))
            .summary("Give a user another password, and end all sessions")
            .input(vec![new_password("password"), key_choice()], Mode::Create)
            .answers(204, Output::Nothing)
            .named("NewPassword", "")
            .writes(),
    );
    endpoints.extend(resource(identity).endpoints());
    endpoints
}

fn statistics_fields() -> Vec<Field> {
    let count = |name: &'static str, help: &'static str| integer(name).read_only().never_null().help(help);
    let of = |names: &[&'static str]| names.iter().map(|name| count(name, "")).collect();
    vec![
        count("total", "All users."),
        record("by_status", of(&STATUSES)).never_null().help("Users of each status."),
        record("by_role", of(&Role::NAMES)).never_null().help("Users of each role."),
        count("locked", "Users who may not try to log in now."),
        count("unverified", "Users who have not proved their address."),
        count("created_in_7_days", "Users who are new this week."),
        count("created_in_30_days", "Users who are new this month."),
        count("logged_in_in_24_hours", "Users who came today."),
        count("logged_in_in_30_days", "Users who came this month."),
        count("active_sessions", "Sessions that go on."),
        count("active_api_keys", "API keys that work."),
    ]
}

fn statistics_of_all(call: &mut Call<'_, '_>) -> Result<Reply> {
    let query = sql!("identity/users/statistics");
    let text = format!("SELECT to_json(q.*)::text FROM (\n{}\n) AS q", query.text);
    let rows = call.read(|statements| statements.all_of(query.name, text.as_str().into(), &[]))?;
    let row = rows.first().ok_or_else(|| Error::internal("statistics have no row"))?;
    Ok(Reply::json(200, row.get::<_, &str>(0)))
}

/// Runs a statement on the user in the path, `$1` actor and `$2` id.
fn on_user(call: &mut Call<'_, '_>, query: &sql::Query) -> Result<Reply> {
    let (id, actor) = (call.id()?, call.actor());
    call.write(Many::No, |statements| match statements.all(query, &[&Json(&actor), &id])?.len() {
        0 => Err(Error::new(Code::NotFound, format!("there is no user with the id {id}"))),
        _ => Ok(Reply::empty(204)),
    })
}

fn unlock(call: &mut Call<'_, '_>) -> Result<Reply> {
    on_user(call, &sql!("identity/users/unlock"))
}

fn log_out(call: &mut Call<'_, '_>) -> Result<Reply> {
    let (id, actor) = (call.id()?, call.actor());
    call.write(Many::No, |statements| {
        statements.all(&sql!("identity/sessions/revoke_all"), &[&Json(&actor), &id])?;
        Ok(Reply::empty(204))
    })
}

fn set_password_of(identity: &Identity, call: &mut Call<'_, '_>) -> Result<Reply> {
    let id = call.id()?;
    let input = call.input()?;
    let hash = identity.new_password(&input, "password")?;
    let (actor, ends_keys) = (call.actor(), ends_keys(&input));
    call.write(Many::No, |statements| {
        let none: Option<uuid::Uuid> = None;
        match statements.maybe(&sql!("identity/users/set_password"), &[&Json(&actor), &id, &hash, &none, &ends_keys])? {
            None => Err(Error::new(Code::NotFound, format!("there is no user with the id {id}"))),
            Some(_) => Ok(Reply::empty(204)),
        }
    })
}
