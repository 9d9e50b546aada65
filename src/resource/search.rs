//! Search: the rows that words find, the best first.
//!
//! To find what fits best among all rows that fit at all would be to look at all of them, and of a common word those are
//! half the table. So a search looks at the most popular rows, and only if few of those have the words, at what the index
//! of words finds. Of words that few rows have, that is all of them; of others, enough. Either way it looks at no more
//! rows than the numbers below say, however many there are, and whatever PostgreSQL believes of them.

use std::borrow::Cow;
use std::fmt::Write;

use super::Engine;
use super::cursor::Cursor;
use super::filter::{Conditions, VALUE};
use super::list::{BYTES_MAX, Page, TOTAL_MAX, body};
use crate::error::{Code, Error, Result};
use crate::http::{Call, Query, Reply};
use crate::sql;

/// Characters of what is looked for.
pub(super) const WORDS_MAX: usize = 200;
/// The most popular rows, which are asked first whether they have the words.
const POPULAR_ROWS: usize = 1000;
/// So many of those that have them are enough.
const POPULAR_ENOUGH: usize = 200;
/// Otherwise so many are looked up in the index.
const FOUND_MAX: usize = 500;

/// How a resource is searched. In each part, `{value}` stands where the words are.
pub struct Search {
    /// As the resource's own `select`, with what only the search reads behind it.
    pub select: sql::Query,
    /// Whether the row `t` has the words.
    pub condition: &'static str,
    /// Whether they are its very name.
    pub is_name: &'static str,
    /// The order of popularity, which an index has.
    pub popularity: &'static str,
    /// How well the row `t` fits: a number.
    pub score: &'static str,
}

/// A search that is being put together.
struct Wanted<'a> {
    search: &'a Search,
    filters: String,
    /// The placeholder of the words.
    value: String,
}

impl Engine {
    pub(super) fn search(
        &self,
        call: &mut Call<'_, '_>,
        query: &Query<'_>,
        search: &Search,
        words: &str,
    ) -> Result<Reply> {
        let malformed = |message: String| Error::new(Code::MalformedRequest, message);
        if query.one("sort")?.is_some() {
            return Err(malformed("sort is not known together with q: the best are first".to_owned()));
        }
        if words.trim().is_empty() || words.chars().count() > WORDS_MAX {
            return Err(malformed(format!("q must have 1 to {WORDS_MAX} characters")));
        }
        // A cursor is of one search, and no other.
        let order = format!("score of {words}");
        let page = self.page_of(query, &order, "score")?;
        let mut conditions = self.conditions_beside(Some("q"), query)?;
        self.check_anchor(call, query, "id")?;
        self.narrow(call, &mut conditions);
        let value = conditions.parameter(words.trim().to_owned());
        let wanted = Wanted { search, filters: conditions.sql.clone(), value };
        let count = page.wants_total.then(|| wanted.count());
        let count_parameters = conditions.parameters.len();
        let after = page.cursor.as_ref().map(|cursor| after(cursor, &mut conditions)).transpose()?;
        let text = self.ranked(&wanted, &page, after.as_deref().unwrap_or_default());
        let parameters = conditions.parameters();
        let name = search.select.name;
        let (rows, total) = call.read(|statements| {
            let rows = statements.first_of(name, &text, &parameters, BYTES_MAX)?;
            let Some(count) = &count else { return Ok((rows, None)) };
            let counted = statements.all_of(name, Cow::Borrowed(count), &parameters[..count_parameters])?;
            Ok((rows, counted.first().map(|row| row.get(0))))
        })?;
        body(&page, &rows, total)
    }

    /// The page, from the rows with their scores: JSON is made of what is shown, and of nothing else.
    fn ranked(&self, wanted: &Wanted<'_>, page: &Page<'_>, after: &str) -> String {
        let all = || self.fields.iter().filter(|field| field.is_shown()).map(|field| &*field.name).collect();
        let names: Vec<&str> = page.columns.clone().unwrap_or_else(all);
        let columns: Vec<String> = names.iter().map(|name| format!("q.\"{name}\"")).collect();
        let mut text = wanted.sought();
        let _ = write!(
            text,
            "\nSELECT (SELECT to_json(p) FROM (SELECT {}) AS p)::text, json_build_array(q.score, q.id)::text\n\
             FROM (\nSELECT t.*, best.score FROM (SELECT * FROM sought AS t{after}\nORDER BY t.score DESC, t.id DESC\n\
             LIMIT {} OFFSET {}) AS best\nJOIN (\n{}\n) AS t ON t.id = best.id\nORDER BY best.score DESC, best.id DESC) AS q",
            columns.join(", "),
            page.limit + 1,
            page.offset,
            self.resource.select.text,
        );
        text
    }
}

impl Wanted<'_> {
    /// What follows a table: the filters, and one condition more.
    fn with(&self, condition: &str) -> String {
        let word = if self.filters.is_empty() { "WHERE" } else { "AND" };
        format!("{}\n{word} {}", self.filters, condition.replace(VALUE, &self.value))
    }

    /// The rows to choose from, with their scores, as `sought`.
    fn sought(&self) -> String {
        let (select, popularity) = (self.search.select.text, self.search.popularity);
        let (fits, is_name) = (self.with(self.search.condition), self.with(self.search.is_name));
        let row = format!("SELECT t.id, {} AS score FROM", self.search.score.replace(VALUE, &self.value));
        format!(
            "WITH popular AS MATERIALIZED (\n{row} (SELECT * FROM (\n{select}\n) AS t\nORDER BY {popularity}\n\
             LIMIT {POPULAR_ROWS}) AS t{fits}\nLIMIT {POPULAR_ENOUGH}\n),\n\
             found AS MATERIALIZED (\n{row} (\n{select}\n) AS t{fits}\n\
             AND (SELECT count(*) FROM popular) < {POPULAR_ENOUGH}\nLIMIT {FOUND_MAX}\n),\n\
             sought AS (\nSELECT * FROM popular\nUNION\nSELECT * FROM found\nUNION\n{row} (\n{select}\n) AS t{is_name}\n)"
        )
    }

    /// How many rows have the words, whether or not they are looked at.
    fn count(&self) -> String {
        let (select, conditions) = (self.search.select.text, self.with(self.search.condition));
        format!(
            "SELECT count(*) FROM (SELECT FROM (\n{select}\n) AS t{conditions}\nLIMIT {}) AS counted",
            TOTAL_MAX + 1
        )
    }
}

/// The condition that a row stands behind a cursor.
fn after(cursor: &Cursor, conditions: &mut Conditions) -> Result<String> {
    let wrong = |_| Error::new(Code::MalformedRequest, "cursor is not one that was given out");
    let score: f64 = cursor.value.parse().map_err(wrong)?;
    let (score, id) = (conditions.parameter(score), conditions.parameter(cursor.id));
    Ok(format!("\nWHERE (t.score, t.id) < ({score}, {id})"))
}
