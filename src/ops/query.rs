//! `POST /api/database/query`: one SELECT by an administrator, read-only, without the secret columns, within its time.
//!
//! What keeps it harmless, from the inside out: it is put into another SELECT, so that it can be nothing else, and is
//! prepared, so that it can be only one; the transaction is read-only; it runs as `mainstay_readonly`, who may read no
//! secret and own nothing; functions by which one could become somebody else again, or leave something behind, are
//! refused by name; time, rows and bytes have limits.

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

/// What nobody needs for a report, and somebody could do harm with.
const REFUSED: [&str; 12] = [
    "set_config",
    "query_to_xml",
    "table_to_xml",
    "cursor_to_xml",
    "schema_to_xml",
    "database_to_xml",
    "dblink",
    "pg_advisory",
    "pg_notify",
    "pg_read",
    "pg_ls_",
    "lo_",
];

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
    let options = TransactionOptions { is_read_only: true, ..TransactionOptions::default() };
    let result = session.transaction(options, |transaction| {
        transaction.one(&sql!("ops/query/restrict"), &[&time.to_string()])?;
        transaction.all_of("ops/query", text.as_str().into(), &[])
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

fn check(asked: &str) -> Result<()> {
    let folded = asked.to_lowercase();
    // An identifier written with escapes could be any of them.
    let has_escapes = folded.contains("u&\"");
    match REFUSED.iter().find(|name| folded.contains(**name)) {
        _ if has_escapes => Err(refused("identifiers with escapes (U&\"…\") are not taken here")),
        Some(name) => Err(refused(&format!("{name} is not taken here"))),
        None => Ok(()),
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
