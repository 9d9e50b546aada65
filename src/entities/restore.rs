//! `POST /api/entities/{name}/{id}/restore`: a row that was deleted is there again.

use std::borrow::Cow;

use super::declaration::Entity;
use super::resource::permissions;
use super::{kept, statements, table, text};
use crate::error::{Code, Error};
use crate::fields::Field;
use crate::http::{Access, Endpoint, Many, Output, Reply, post};
use crate::resource::{as_object, explain};
use crate::sql::Json;

/// The endpoint. What refers to the row and was deleted with it stays deleted: it may be restored after it.
pub(super) fn endpoint(entity: &Entity, shown: Vec<Field>) -> Endpoint {
    let query = statements::restore(entity);
    let statement = as_object(&query);
    let (rules, table) = (kept::rules(table::rules(entity)), kept::text(&format!("{}.{}", text::SCHEMA, entity.name)));
    let singular = entity.singular.clone();
    let path = format!("/api/entities/{}/{{id}}/restore", entity.name);
    let restore = move |call: &mut crate::http::Call<'_, '_>| {
        let (id, actor) = (call.id()?, call.actor());
        call.write(Many::No, |statements| {
            let rows = statements.all_of(query.name, Cow::Borrowed(&statement), &[&Json(&actor), &id]);
            let rows = rows.map_err(|error| explain(error, table, rules))?;
            let row = rows.first().ok_or_else(|| {
                Error::new(
                    Code::NotFound,
                    format!("there is no deleted {singular} with the id {id} that you may change"),
                )
            })?;
            Ok(Reply::json(200, row.get::<_, &str>(0)).version(row.get(1)))
        })
    };
    post(path, Access::Permission(permissions(entity).1), restore)
        .summary(format!("Restore a deleted {}", entity.singular))
        .answers(200, Output::Object(shown))
        .named("", super::resource::type_name(&entity.singular))
        .guarded(entity.models.business_scoped)
        .writes()
}
