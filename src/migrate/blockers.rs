//! Other sessions that are in the way, named so that a person finds them.

use std::fmt;

use postgres::types::Type;
use postgres::{Client, Row};

use super::statement::Statement;
use super::token::{self, Kind};

/// How many sessions a message names.
const SESSIONS_SHOWN: i64 = 3;

/// How many names of a script are looked up as tables.
const NAMES_MAX: usize = 200;

/// What is told about another session. What it runs is not: that may have values in it which are nobody's business.
const SELECT: &str = "
SELECT
    activity.pid,
    coalesce(nullif(activity.application_name, ''), 'unnamed') AS application,
    coalesce(activity.usename, '') AS role,
    coalesce(activity.state, 'unknown') AS state,
    to_char(coalesce(activity.xact_start, activity.backend_start) AT TIME ZONE 'UTC',
        'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS since,
    coalesce(string_agg(DISTINCT nullif(held.relation, 0)::regclass::text, ', '), '') AS relations
FROM pg_catalog.pg_locks AS held
JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
WHERE held.granted
    AND held.pid <> pg_backend_pid()
    AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";

const GROUP: &str = "
GROUP BY 1, 2, 3, 4, 5
ORDER BY 5
LIMIT $1";

/// Another session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub pid: i32,
    pub application: String,
    pub role: String,
    pub state: String,
    /// When its transaction began, or its connection if it is in none.
    pub since: String,
    /// The tables whose locks it holds.
    pub relations: String,
}

impl fmt::Display for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Session { pid, application, role, state, since, relations } = self;
        write!(formatter, "process {pid} ({application}, role {role}, {state} since {since}")?;
        if !relations.is_empty() {
            write!(formatter, ", holds {relations}")?;
        }
        formatter.write_str(")")
    }
}

/// Sessions in a row of words.
pub(super) fn list(sessions: &[Session]) -> String {
    let names: Vec<String> = sessions.iter().map(Session::to_string).collect();
    names.join("; ")
}

/// Who holds an advisory lock. Asking is a help, so a failure to ask is no failure.
pub(super) fn of_advisory(client: &mut Client, key: i64) -> Vec<Session> {
    let query = format!(
        "{SELECT}
    AND held.locktype = 'advisory'
    AND (held.classid::bigint << 32 | held.objid::bigint) = $2
    AND held.objsubid = 1{GROUP}"
    );
    let rows = client.query_typed(&query, &[(&SESSIONS_SHOWN, Type::INT8), (&key, Type::INT8)]);
    rows.unwrap_or_default().iter().filter_map(session).collect()
}

/// Who holds locks on the tables that these statements name. PostgreSQL does not say which lock it was that could not
/// be had; who stood in the way a moment ago mostly still does.
pub(super) fn of_statements(client: &mut Client, sql: &str, statements: &[Statement]) -> Vec<Session> {
    let names = names(sql, statements);
    let query = format!(
        "{SELECT}
    AND held.relation IN (SELECT to_regclass(name) FROM unnest($2) AS name)
    AND held.locktype = 'relation'{GROUP}"
    );
    let rows = client.query_typed(&query, &[(&SESSIONS_SHOWN, Type::INT8), (&names, Type::TEXT_ARRAY)]);
    rows.unwrap_or_default().iter().filter_map(session).collect()
}

/// Everything in the statements that could be the name of a table, with its schema if it has one.
fn names(sql: &str, statements: &[Statement]) -> Vec<String> {
    let mut names = Vec::new();
    for statement in statements {
        let mut at = statement.range.start;
        let (mut name, mut is_joined) = (String::new(), false);
        while let Ok(Some(token)) = token::next(sql, at) {
            if token.range.start >= statement.range.end || names.len() >= NAMES_MAX {
                break;
            }
            at = token.range.end;
            match token.kind {
                Kind::Word | Kind::Quoted if is_joined => name.push_str(token.text(sql)),
                Kind::Word | Kind::Quoted => {
                    names.push(std::mem::replace(&mut name, token.text(sql).to_owned()));
                }
                _ if token.is_symbol(sql, ".") => name.push('.'),
                _ => names.push(std::mem::take(&mut name)),
            }
            is_joined = token.is_symbol(sql, ".");
        }
        names.push(name);
    }
    names.retain(|name| !name.is_empty() && name.matches('.').count() <= 1 && !name.ends_with('.'));
    names.sort();
    names.dedup();
    names
}

fn session(row: &Row) -> Option<Session> {
    Some(Session {
        pid: row.try_get("pid").ok()?,
        application: row.try_get("application").ok()?,
        role: row.try_get("role").ok()?,
        state: row.try_get("state").ok()?,
        since: row.try_get("since").ok()?,
        relations: row.try_get("relations").ok()?,
    })
}
