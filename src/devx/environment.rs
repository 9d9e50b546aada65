//! The environment of a service: texts by name, and secrets, which are sealed before they are kept.
//!
//! A secret comes as `{"secret": true, "value": "…"}` and is shown as `{"secret": true}`; sent back like that, it stays.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Devx;
use crate::error::{Code, Error, FieldError, Result};
use crate::fields::Mode;
use crate::http::{Call, Many, Reply};
use crate::sealing::Store;
use crate::secret::{Keys, Place, Sealed};
use crate::sql;
use crate::sql::Json;

/// Variables of one service, and characters of a value.
const VARIABLES_MAX: usize = 500;
const VALUE_MAX: usize = 32_768;
/// Characters of a name.
const NAME_MAX: usize = 255;

/// All secrets of services.
pub const STORE: Store =
    Store { table: "devx.services", stale: sql!("devx/services/stale"), reseal: sql!("devx/services/reseal") };

/// Where a secret is kept. The name is part of the text that is sealed: one does not open as another.
fn place(service: Uuid) -> Place<'static> {
    Place { table: "devx.services", column: "environment_secrets", row: service }
}

/// Makes a body fit for its statement: checks the variables, and seals what is secret among them.
pub(super) fn prepare(keys: &Keys, call: &Call<'_, '_>, mode: Mode, body: &mut Map<String, Value>) -> Result<()> {
    let id = match mode {
        Mode::Create => Uuid::now_v7(),
        // Nothing is sealed for many rows at once.
        _ => Uuid::try_parse(call.value("id")).unwrap_or(Uuid::nil()),
    };
    if mode == Mode::Create {
        body.insert("id".to_owned(), json!(id));
        body.insert("environment_secrets".to_owned(), json!({}));
    }
    let Some(Value::Object(variables)) = body.get_mut("environment_vars") else { return Ok(()) };
    let secrets = take_secrets(variables, mode)?;
    if id.is_nil() && variables.values().any(Value::is_object) {
        return Err(wrong(vec![fault("environment_vars", "must not have secrets where many services are changed")]));
    }
    let mut sealed = Map::new();
    for (name, secret) in secrets {
        let Sealed { text, key_id } = keys.seal(place(id), format!("{name}={secret}").as_bytes())?;
        sealed.insert(name, json!({ "text": text, "key_id": key_id }));
    }
    body.insert("environment_secrets".to_owned(), Value::Object(sealed));
    Ok(())
}

/// Takes the values of secrets out of the variables, and leaves their marks.
fn take_secrets(variables: &mut Map<String, Value>, mode: Mode) -> Result<Vec<(String, String)>> {
    let (mut secrets, mut faults) = (Vec::new(), Vec::new());
    if variables.len() > VARIABLES_MAX {
        faults.push(fault("environment_vars", &format!("must have at most {VARIABLES_MAX} names")));
    }
    for (name, value) in variables.iter_mut().take(VARIABLES_MAX) {
        let field = || format!("environment_vars.{}", name.chars().take(NAME_MAX).collect::<String>());
        if !is_name(name) {
            faults.push(fault(
                &field(),
                "must be named by letters, digits and underscores, without a digit at the start",
            ));
            continue;
        }
        match read(value) {
            Ok(None) => {}
            Ok(Some(Some(secret))) => {
                secrets.push((name.clone(), secret));
                *value = json!({ "secret": true });
            }
            Ok(Some(None)) if mode == Mode::Create => faults.push(fault(&field(), "is a secret, and needs its value")),
            Ok(Some(None)) => {}
            Err(message) => faults.push(fault(&field(), &message)),
        }
    }
    if faults.is_empty() { Ok(secrets) } else { Err(wrong(faults)) }
}

/// Whether a variable is a secret, and the value that comes with it.
fn read(value: &Value) -> Result<Option<Option<String>>, String> {
    let fits = |text: &str| text.chars().count() <= VALUE_MAX && !text.contains('\0');
    let problem =
        || format!("must be a text of at most {VALUE_MAX} characters, or {{\"secret\": true, \"value\": \"…\"}}");
    match value {
        Value::String(text) if fits(text) => Ok(None),
        Value::Object(members) if members.get("secret") == Some(&json!(true)) => match members.get("value") {
            None if members.len() == 1 => Ok(Some(None)),
            Some(Value::String(text)) if members.len() == 2 && fits(text) => Ok(Some(Some(text.clone()))),
            _ => Err(problem()),
        },
        _ => Err(problem()),
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn fault(field: &str, message: &str) -> FieldError {
    FieldError { field: field.to_owned(), message: message.to_owned() }
}

fn wrong(faults: Vec<FieldError>) -> Error {
    let mut error = Error::new(Code::ValidationError, "the environment is not right");
    error.fields = faults;
    error
}

/// The environment with its secrets, for those who may change the service. That somebody has read them is told.
pub(super) fn reveal(devx: &Devx, call: &mut Call<'_, '_>) -> Result<Reply> {
    call.refuse_parameters()?;
    let (id, actor) = (call.id()?, call.actor());
    call.write(Many::No, |statements| {
        let row = statements.maybe(&sql!("devx/services/reveal"), &[&Json(&actor), &id])?;
        let hidden = || Error::new(Code::NotFound, format!("there is no service with the id {id} that you may change"));
        let row = row.ok_or_else(hidden)?;
        let (mut variables, secrets): (Value, Value) = (row.get("environment_vars"), row.get("environment_secrets"));
        for (name, sealed) in secrets.as_object().into_iter().flatten() {
            variables[name] = json!(open(&devx.keys, id, name, sealed)?);
        }
        let shown = json!({ "environment_vars": variables });
        // Neither for a day nor for a moment is it kept for whoever asks again.
        Ok(Reply::value(200, &shown).keeping(json!({ "environment_vars": null }).to_string()))
    })
}

fn open(keys: &Keys, service: Uuid, name: &str, sealed: &Value) -> Result<String> {
    let text = |member: &str| sealed[member].as_str().unwrap_or_default().to_owned();
    let opened = keys.open(place(service), &Sealed { text: text("text"), key_id: text("key_id") })?;
    let opened = String::from_utf8(opened).unwrap_or_default();
    let secret = opened.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
    secret.map(str::to_owned).ok_or_else(|| Error::internal(format!("a secret of the service {service} is another's")))
}
