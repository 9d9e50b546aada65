//! `POST /api/database/query`: one SELECT by an administrator, read-only, without the secret columns, within its time.
//!
//! What keeps it harmless, from the inside out: it is put into another SELECT, so that it can be nothing else, and is parsed
//! as one statement before it is run; the transaction is read-only, and is undone; it runs in `ops.answer`, as a role that
//! may read no secret and owns nothing, which PostgreSQL does not let it leave; the connection is closed afterwards, so that
//! nothing stays of what was set or locked on it; time, rows and bytes have limits.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::db::{Purpose, Statements, TransactionOptions, Which};
use crate::error::{Code, Error, Result};
use crate::fields::{Mode, boolean, choice, integer, list, number, object, text};
use crate::http::{Access, Call, Endpoint, Output, Permission, Reply, post};
use crate::sql;
use crate::sql::Json;

const SQL_MAX: usize = 20_000;
const ROWS_MAX: usize = 1000;
/// All rows together.
const BYTES_MAX: usize = 4 << 20;
const TIME_DEFAULT_MS: i64 = 10_000;
const TIME_MAX_MS: i64 = 60_000;

pub(super) fn endpoint() -> Endpoint {
    let fields = vec![
        text("sql").required().max(SQL_MAX).help("One SELECT."),
        choice("pool", &["primary", "readonly", "priority", "background"])
            .default("readonly")
            .help("Whose connections it uses."),
        integer("timeout_ms").range(1, TIME_MAX_MS).default(TIME_DEFAULT_MS).unit("ms").help("How long it may take."),
    ];
    let reply = vec![
        list("rows", object(""), ROWS_MAX).read_only().never_null().help("The rows, each with its columns."),
        integer("row_count").read_only().never_null().help("How many they are."),
        boolean("is_truncated").read_only().never_null().help("Whether there were more."),
        number("duration_ms").read_only().never_null().unit("ms").help("How long it took."),
    ];
    post("/api/database/query", Access::Permission(Permission::ADMIN), query)
        .summary("Run one SELECT, read-only")
        .input(fields, Mode::Create)
        .answers(200, Output::Object(reply))
        .named("DatabaseQuery", "DatabaseQueryResult")
        .fails(&[Code::QueryExecutionError])
}

/// The SELECT around the one that was asked for: rows as JSON, as long as all of them are not too much.
fn around(query: &str) -> String {
    format!(
        "SELECT CASE WHEN sum(octet_length(line)) OVER (ROWS UNBOUNDED PRECEDING) <= {BYTES_MAX} THEN line END \
         FROM (SELECT to_json(answer.*)::text AS line FROM (\n{query}\n) AS answer LIMIT {}) AS lines",
        ROWS_MAX + 1
    )
}

fn query(call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let asked = input.get("sql").and_then(Value::as_str).unwrap_or_default().trim().trim_end_matches(';').trim_end();
    check(asked)?;
    let time = input.get("timeout_ms").and_then(Value::as_i64).unwrap_or(TIME_DEFAULT_MS);
    let pool = input.get("pool").and_then(Value::as_str).unwrap_or_default();
    let which = Which::ALL.into_iter().find(|which| which.name() == pool).unwrap_or(Which::Readonly);
    audit(call, asked, which)?;
    let purpose = Purpose { what: call.endpoint.label, request: Some(call.request_id) };
    let mut session = call.service.database().session(which, purpose)?;
    let text = around(asked);
    let start = Instant::now();
    let options = TransactionOptions { is_read_only: true, is_trial: true, ..TransactionOptions::default() };
    let result = session.transaction(options, |transaction| {
        transaction.close_afterwards();
        let restricted = transaction.one(&sql!("ops/query/restrict"), &[&time.to_string()])?;
        is_harmless(&restricted.get::<_, Vec<String>>("mending"))?;
        transaction.parse("ops/query", &text)?;
        transaction.all(&sql!("ops/query/answer"), &[&text])
    });
    let rows = result.map_err(|error| explain(error, &text))?;
    let mut body = String::from("{\"rows\":[");
    let lines: Vec<&str> = rows.iter().take(ROWS_MAX).map_while(|row| row.get::<_, Option<&str>>(0)).collect();
    body.push_str(&lines.join(","));
    let rest: Map<String, Value> = [
        ("row_count".to_owned(), json!(lines.len())),
        ("is_truncated".to_owned(), json!(lines.len() < rows.len())),
        ("duration_ms".to_owned(), json!(start.elapsed().as_secs_f64() * 1000.0)),
    ]
    .into_iter()
    .collect();
    let rest = Value::Object(rest).to_string();
    body.push_str("],");
    body.push_str(rest.strip_prefix('{').unwrap_or(&rest));
    Ok(Reply::json(200, body))
}

/// PostgreSQL would say no more than that there is a syntax error, in a statement that nobody has written.
fn check(asked: &str) -> Result<()> {
    let lines = asked.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("--"));
    let word: String = lines
        .flat_map(str::chars)
        .skip_while(|letter| *letter == '(' || letter.is_whitespace())
        .take_while(|letter| letter.is_ascii_alphabetic() || *letter == '/')
        .collect();
    match word.to_uppercase().as_str() {
        "SELECT" | "WITH" | "VALUES" | "TABLE" => Ok(()),
        // What begins with a comment is for PostgreSQL to read.
        word if word.starts_with('/') => Ok(()),
        "" => Err(refused("there is no SELECT")),
        word => Err(refused(&format!("{word} is not taken here: this is for one SELECT, which changes nothing"))),
    }
}

/// The role that asks must be as weak as it was made.
fn is_harmless(mending: &[String]) -> Result<()> {
    match mending {
        [] => Ok(()),
        mending => Err(refused(&format!(
            "no question is asked while the role mainstay_readonly may do more than read; an administrator of the database \
             mends that: {};",
            mending.join("; ")
        ))),
    }
}

fn refused(message: &str) -> Error {
    Error::new(Code::QueryExecutionError, message)
}

/// Says who asked what before it is run: what is not written down is not done.
fn audit(call: &mut Call<'_, '_>, asked: &str, which: Which) -> Result<()> {
    let actor = call.actor();
    let changes = json!({ "sql": [null, asked], "pool": [null, which.name()] }).to_string();
    let purpose = Purpose { what: call.endpoint.label, request: Some(call.request_id) };
    let mut session = call.service.database().session(Which::Primary, purpose)?;
    session.exec(
        &sql!("telemetry/audit_logs/record"),
        &[&Json(&actor), &"database.query", &"database", &Json(&changes)],
    )?;
    Ok(())
}

/// PostgreSQL's own words, and where: whoever may ask this may read them.
fn explain(error: Error, text: &str) -> Error {
    let Some(database) = error.database().and_then(postgres::Error::as_db_error) else { return error };
    let time_is_over = *database.code() == postgres::error::SqlState::QUERY_CANCELED;
    if time_is_over {
        return Error::new(Code::QueryTimeout, "the query took longer than timeout_ms")
            .retry_after(Duration::from_secs(1));
    }
    let before = text.split('\n').next().map_or(0, |line| line.chars().count() + 1);
    let place = match database.position() {
        Some(postgres::error::ErrorPosition::Original(position)) => {
            format!(" (at character {})", (*position as usize).saturating_sub(before).max(1))
        }
        _ => String::new(),
    };
    refused(&format!("{}{place}", database.message())).because(error)
}
