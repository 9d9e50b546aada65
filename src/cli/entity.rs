//! `mainstay entity …`: the tables that are declared, and what is to be done about them.

use std::process::ExitCode;

use postgres::Client;
use serde_json::json;

use super::migrate::{connect, report};
use super::{Arguments, Result, configuration, print, print_json, say, with_database};
use crate::entities::{self, Entities, Plan, Step};
use crate::migrate::Options;

/// Reads the declarations, connects, and does something with both.
fn with_entities<T>(arguments: &Arguments, act: impl FnOnce(&mut Client, &Entities) -> Result<T>) -> Result<T> {
    let config = configuration(arguments)?;
    let entities = Entities::configured(&config)?;
    with_database(&config, |address| act(&mut connect(&config, address)?, &entities))
}

pub(super) fn plan(arguments: &Arguments) -> Result<ExitCode> {
    with_entities(arguments, |client, entities| {
        let plan = entities::plan(client, entities)?;
        if arguments.has("json") {
            print_json(&plan)?;
        } else {
            print(&show(&plan));
        }
        if arguments.has("write") {
            match entities::write(entities, &plan)? {
                Some(path) => say(&format!("made {}: complete it, and run mainstay entity migrate", path.display())),
                None => say("nothing is refused, so there is nothing to write"),
            }
        }
        let is_refused = !plan.refusals.is_empty();
        Ok(if is_refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

fn show(plan: &Plan) -> String {
    if plan.is_empty() {
        return "the tables are as they are declared\n".to_owned();
    }
    let mut text = String::new();
    let mut part = |title: &str, steps: &[Step]| {
        if !steps.is_empty() {
            text.push_str(&format!("-- {title}\n\n{}\n", Plan::sql(steps)));
        }
    };
    part("In one transaction:", &plan.steps);
    part("Then, one by one, while others read and write:", &plan.later);
    for refusal in &plan.refusals {
        let sql = refusal.sql.replace('\n', "\n--   ");
        text.push_str(&format!("-- REFUSED {}: {}: {}\n--   {sql};\n", refusal.table, refusal.what, refusal.why));
    }
    if !plan.refusals.is_empty() {
        text.push_str("\n-- While anything is refused, nothing is done.\n");
    }
    text
}

pub(super) fn migrate(arguments: &Arguments) -> Result<ExitCode> {
    with_entities(arguments, |client, entities| {
        let plan = entities::migrate(client, entities, &Options::default(), &mut report)?;
        if arguments.has("json") {
            return print_json(&plan);
        }
        if plan.is_empty() {
            say("nothing to do: the tables are as they are declared");
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(super) fn list(arguments: &Arguments) -> Result<ExitCode> {
    let entities = Entities::configured(&configuration(arguments)?)?;
    if arguments.has("json") {
        let shown: Vec<_> = entities.list.iter().map(|it| json!({ "name": it.name, "file": it.file })).collect();
        return print_json(&shown);
    }
    let line = |entity: &entities::Entity| {
        format!("{:<24} {:>3} fields  {}\n", entity.name, entity.fields.len(), entity.description)
    };
    Ok(print(&entities.list.iter().map(line).collect::<String>()))
}

pub(super) fn schema(_: &Arguments) -> Result<ExitCode> {
    print_json(&entities::schema())
}
