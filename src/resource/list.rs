//! Lists: a page of rows, and the way to the next.

use std::borrow::Cow;
use std::fmt::Write;

use postgres::Row;
use serde_json::Value;

use super::Engine;
use super::cursor::Cursor;
use super::expand::{self, Expansion};
use super::filter::{self, Conditions};
use crate::db::Statements;
use crate::error::{Code, Error, Result};
use crate::fields::Field;
use crate::http::{Call, Query, Reply};

pub(super) const LIMIT_MAX: usize = 200;
pub(super) const LIMIT_DEFAULT: usize = 50;
/// Bytes of a page's rows: what is longer comes in more pages, and none is without a row.
pub(super) const BYTES_MAX: usize = 4 << 20;
/// Rows that `page=` may skip: PostgreSQL reads and throws away every one of them.
pub(super) const OFFSET_MAX: usize = 10_000;
/// Rows that `total=` counts: PostgreSQL reads every one of them.
pub(super) const TOTAL_MAX: i64 = 10_000;
/// Newest first; ids are made in the order of time.
pub(super) const SORT_DEFAULT: &str = "-id";

/// What a list is asked for.
pub(super) struct Page<'a> {
    pub limit: usize,
    pub offset: usize,
    number: Option<usize>,
    pub order: &'a str,
    column: &'a str,
    is_descending: bool,
    pub cursor: Option<Cursor>,
    pub wants_total: bool,
    pub columns: Option<Vec<&'a str>>,
    expansions: Vec<&'a Expansion>,
}

impl Engine {
    pub(super) fn list(&self, call: &mut Call<'_, '_>) -> Result<Reply> {
        let query = std::mem::take(&mut call.query);
        if let (Some(search), Some(words)) = (&self.resource.search, query.one("q")?) {
            return self.search(call, &query, search, words);
        }
        let expansions = self.expansions(call, &query)?;
        let page = Page { expansions, ..self.page(&query)? };
        let mut conditions = self.conditions(&query)?;
        self.check_anchor(call, &query, page.column)?;
        self.narrow(call, &mut conditions);
        let count = page.wants_total.then(|| self.count(&conditions));
        let count_parameters = conditions.parameters.len();
        let text = self.statement(&page, &mut conditions)?;
        let parameters = conditions.parameters();
        let name = self.resource.select.name;
        let (rows, total) = call.read(|statements| {
            let rows = statements.first_of(name, &text, &parameters, BYTES_MAX)?;
            let total = match &count {
                Some(count) => Some(total(statements, name, count, &parameters[..count_parameters])?),
                None => None,
            };
            Ok((rows, total))
        })?;
        body(&page, &rows, total)
    }

    fn page<'a>(&'a self, query: &'a Query<'_>) -> Result<Page<'a>> {
        let order = query.one("sort")?.unwrap_or(SORT_DEFAULT);
        let column = order.strip_prefix('-').unwrap_or(order);
        if !self.sort_names().any(|known| known == column) {
            let known: Vec<&str> = self.sort_names().collect();
            return Err(malformed(format!("sort knows {}, each with - in front for the other way", known.join(", "))));
        }
        self.page_of(query, order, column)
    }

    /// The page of a list in an order that is known.
    pub(super) fn page_of<'a>(&'a self, query: &'a Query<'_>, order: &'a str, column: &'a str) -> Result<Page<'a>> {
        let number = |name: &str, max: usize| match query.one(name)? {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(number) if (1..=max).contains(&number) => Ok(Some(number)),
                _ => Err(malformed(format!("{name} must be a number from 1 to {max}"))),
            },
        };
        let limit = number("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
        let page = number("page", OFFSET_MAX)?;
        let offset = page.map_or(0, |page| (page - 1) * limit);
        if offset > OFFSET_MAX {
            return Err(malformed(format!("page= reaches {OFFSET_MAX} rows deep; go on with cursor=")));
        }
        let cursor = query.one("cursor")?.map(|text| Cursor::read(text, order)).transpose()?;
        if cursor.is_some() && page.is_some() {
            return Err(malformed("cursor and page exclude each other".to_owned()));
        }
        let wants_total = match query.one("total")? {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(malformed("total must be true or false".to_owned())),
        };
        let columns = match query.one("fields")? {
            Some(names) => Some(self.columns(names)?),
            None => self.short_columns(),
        };
        let is_descending = column.len() < order.len();
        Ok(Page {
            limit,
            offset,
            number: page,
            order,
            column,
            is_descending,
            cursor,
            wants_total,
            columns,
            expansions: Vec::new(),
        })
    }

    pub(super) fn sort_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.resource.common_names().iter().chain(self.resource.sorts).copied()
    }

    /// The columns that a list shows unless others are asked for, where some are too long for that.
    fn short_columns(&self) -> Option<Vec<&str>> {
        let shown = || self.fields.iter().filter(|field| field.is_shown());
        let has_long = shown().any(|field| field.is_long);
        has_long.then(|| shown().filter(|field| !field.is_long).map(|field| &*field.name).collect())
    }

    fn columns<'a>(&self, names: &'a str) -> Result<Vec<&'a str>> {
        let shown = || self.fields.iter().filter(|field| field.is_shown());
        let mut columns: Vec<&str> = Vec::new();
        for name in names.split(',').map(str::trim) {
            if !shown().any(|field| field.name == name) {
                let known: Vec<&str> = shown().map(|field| &*field.name).collect();
                let message = format!("fields: {name:?} is not known; there are {}", known.join(", "));
                return Err(Error::new(Code::MalformedRequest, message));
            }
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        Ok(columns)
    }

    /// The statement of a page: the resource's own, with filters, order and limit around it, which PostgreSQL flattens.
    fn statement(&self, page: &Page<'_>, conditions: &mut Conditions) -> Result<String> {
        let column = page.column;
        if let Some(cursor) = &page.cursor {
            let kind = &self.field(column).ok_or_else(|| Error::internal("a sort is no field"))?.kind;
            let wrong = |_| Error::new(Code::MalformedRequest, "cursor is not one that was given out");
            let value = conditions.parameter(filter::read(kind, &cursor.value).map_err(wrong)?);
            let id = conditions.parameter(cursor.id);
            let side = if page.is_descending { "<" } else { ">" };
            let kind = kind.sql_type();
            conditions.and(&format!("(t.\"{column}\", t.id) {side} ({value}::text::{kind}, {id})"));
        }
        let way = if page.is_descending { "DESC" } else { "ASC" };
        let order = match column {
            "id" => format!("t.id {way}"),
            _ => format!("t.\"{column}\" {way}, t.id {way}"),
        };
        let mut text = String::with_capacity(self.resource.select.text.len() + conditions.sql.len() + 256);
        match &page.columns {
            None => text.push_str("SELECT to_json(q.*)::text FROM ("),
            Some(columns) => {
                let expanded = page.expansions.iter().map(|expansion| expansion.name);
                let names = columns.iter().copied().chain(expanded);
                let picked: Vec<String> = names.map(|name| format!("q.\"{name}\"")).collect();
                let _ = write!(
                    text,
                    "SELECT (SELECT to_json(p.*) FROM (SELECT {}) AS p)::text, \
                     json_build_array(q.\"{column}\", q.id)::text FROM (",
                    picked.join(", ")
                );
            }
        }
        let rows = format!(
            "SELECT * FROM (\n{}\n) AS t{}\nORDER BY {order}\nLIMIT {} OFFSET {}",
            self.resource.select.text,
            conditions.sql,
            page.limit + 1,
            page.offset
        );
        text.push_str(&expand::with(rows, &page.expansions));
        text.push_str(") AS q");
        Ok(text)
    }

    fn count(&self, conditions: &Conditions) -> String {
        format!(
            "SELECT count(*) FROM (SELECT FROM (\n{}\n) AS t{}\nLIMIT {}) AS counted",
            self.resource.select.text,
            conditions.sql,
            TOTAL_MAX + 1
        )
    }
}

/// The rows of a page, as many as it may have bytes, and whether there are more of them.
pub(super) type Rows = (Vec<Row>, bool);

/// The reply; of one row more than was asked for, all that counts is that it is there.
pub(super) fn body(page: &Page<'_>, (rows, is_cut): &Rows, total: Option<i64>) -> Result<Reply> {
    if let Some(number) = page.number.filter(|_| *is_cut) {
        let message = format!("page {number} would have more than {} MiB; ask for a smaller limit", BYTES_MAX >> 20);
        return Err(malformed(message));
    }
    let shown = &rows[..rows.len().min(page.limit)];
    let texts: Vec<&str> = shown.iter().map(|row| row.get(0)).collect();
    let mut body = String::with_capacity(texts.iter().map(|text| text.len() + 1).sum::<usize>() + 256);
    body.push_str("{\"data\":[");
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        body.push_str(text);
    }
    let next = if *is_cut || rows.len() > page.limit { shown.last().map(|row| next_cursor(page, row)) } else { None };
    // A cursor has nothing in it that JSON would escape.
    let next = next.map_or_else(|| "null".to_owned(), |cursor| format!("\"{cursor}\""));
    let _ = write!(body, "],\"page\":{{\"limit\":{},\"next_cursor\":{next}", page.limit);
    if let Some(number) = page.number {
        let _ = write!(body, ",\"page\":{number}");
    }
    if let Some(total) = total {
        let _ = write!(body, ",\"total\":{}", total.min(TOTAL_MAX));
        if total > TOTAL_MAX {
            body.push_str(",\"total_is_exceeded\":true");
        }
    }
    body.push_str("}}");
    Ok(Reply::json(200, body))
}

/// The cursor behind a row: from the row itself, or from beside it where its columns were picked.
fn next_cursor(page: &Page<'_>, row: &Row) -> String {
    if row.len() > 1 {
        let values: [Value; 2] = serde_json::from_str(row.get(1)).unwrap_or_default();
        return Cursor::write(page.order, &values[0], &values[1]);
    }
    let row: Value = serde_json::from_str(row.get(0)).unwrap_or_default();
    Cursor::write(page.order, &row[page.column], &row["id"])
}

fn total(statements: &mut dyn Statements, name: &str, text: &str, parameters: crate::db::Params<'_>) -> Result<i64> {
    let rows = statements.all_of(name, Cow::Borrowed(text), parameters)?;
    rows.first().map(|row| row.get(0)).ok_or_else(|| Error::internal("a count has no row"))
}

/// The fields of a page, for the document.
pub(super) fn page_field_names(fields: &[Field]) -> Vec<&str> {
    fields.iter().filter(|field| field.is_shown()).map(|field| &*field.name).collect()
}

fn malformed(message: String) -> Error {
    Error::new(Code::MalformedRequest, message)
}
