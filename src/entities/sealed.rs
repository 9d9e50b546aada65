//! Secret fields: sealed before they reach the database, each for its row, and opened only by who has the key.

use std::sync::Arc;

use postgres::Client;
use postgres::types::Type;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::declaration::Entity;
use super::statements::{reseal, stale};
use super::text::{SCHEMA, quoted, table};
use super::{Entities, kept};
use crate::error::{Code, Error, Result};
use crate::fields::Mode;
use crate::http::Call;
use crate::resource::Prepare;
use crate::sealing::Store;
use crate::secret::{Keys, Place, Sealed};

impl Entity {
    pub fn has_secrets(&self) -> bool {
        self.fields.iter().any(|field| field.is_secret)
    }
}

fn place<'a>(entity: &str, column: &'a str, row: Uuid) -> Place<'a> {
    Place { table: whole_name(entity), column, row }
}

fn whole_name(entity: &str) -> &'static str {
    kept::text(&format!("{SCHEMA}.{entity}"))
}

impl Entities {
    /// All secrets of all of them.
    pub fn stores(&self) -> Vec<Store> {
        let store = |entity: &Entity, column: &str| Store {
            table: whole_name(&entity.name),
            stale: stale(entity, column),
            reseal: reseal(entity, column),
        };
        let stores = |entity: &Entity| {
            let secrets = entity.fields.iter().filter(|field| field.is_secret);
            secrets.map(|field| store(entity, &field.name)).collect::<Vec<_>>()
        };
        self.list.iter().flat_map(stores).collect()
    }
}

/// What seals the secrets of a body, where the entity has any.
pub(super) fn prepare(entity: &Entity, keys: Option<&Arc<Keys>>) -> Option<Prepare> {
    let keys = keys.filter(|_| entity.has_secrets())?.clone();
    let secrets: Vec<String> = entity.fields.iter().filter(|it| it.is_secret).map(|it| it.name.clone()).collect();
    let name = entity.name.clone();
    Some(Box::new(move |call: &mut Call<'_, '_>, mode: Mode, body: &mut Map<String, Value>| -> Result<()> {
        let given: Vec<&String> = secrets.iter().filter(|it| body.get(*it).is_some_and(Value::is_string)).collect();
        // The seal is of the row, so that what is copied to another one does not open there; a new row has its id now.
        let row = match mode {
            Mode::Create => {
                let row = Uuid::now_v7();
                body.insert("id".to_owned(), row.to_string().into());
                row
            }
            _ if given.is_empty() => return Ok(()),
            _ if call.value("id").is_empty() => {
                let message = "secrets are set one row at a time";
                return Err(Error::new(Code::ValidationError, message).field(given[0].clone(), message));
            }
            _ => call.id()?,
        };
        for column in given {
            let secret = body.get(column).and_then(Value::as_str).unwrap_or_default().to_owned();
            let sealed = keys.seal(place(&name, column, row), secret.as_bytes())?;
            body.insert(column.clone(), format!("{}:{}", sealed.key_id, sealed.text).into());
        }
        Ok(())
    }))
}

/// Opens a secret, for somebody at the machine itself.
pub fn reveal(
    client: &mut Client,
    entities: &Entities,
    keys: &Keys,
    name: &str,
    id: Uuid,
    column: &str,
) -> Result<String> {
    let unknown = |what: String| Error::new(Code::NotFound, what);
    let entity = entities
        .list
        .iter()
        .find(|it| it.name == name)
        .ok_or_else(|| unknown(format!("no entity is called {name}")))?;
    if !entity.field(column).is_some_and(|field| field.is_secret) {
        return Err(unknown(format!("{name} has no secret called {column}")));
    }
    let query = format!("SELECT t.{}::text FROM {} AS t WHERE t.id = $1", quoted(column), table(name));
    let row = client.query_typed_opt(&query, &[(&id, Type::UUID)])?;
    let row = row.ok_or_else(|| unknown(format!("there is no {} with the id {id}", entity.singular)))?;
    let text: Option<String> = row.get(0);
    let text = text.ok_or_else(|| unknown(format!("the {} {id} has no {column}", entity.singular)))?;
    let (key_id, text) = text.split_once(':').unwrap_or_default();
    let sealed = Sealed { text: text.to_owned(), key_id: key_id.to_owned() };
    let opened = keys.open(place(name, column, id), &sealed)?;
    String::from_utf8(opened).map_err(|_| Error::internal("what was sealed is no text"))
}
