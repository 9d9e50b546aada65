//! `POST /api/routes/match`: which route a request would take, why, and which others were close.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Gateway;
use super::near::{Near, near, why_behind};
use super::pattern::{self, Segment};
use super::routes::{METHODS, READ, shown_fields};
use super::snapshot::{Route, Snapshot, that_take};
use super::target::{self, Target};
use crate::error::{Error, Result};
use crate::fields::{Field, Mode, boolean, choice, list, map, record, records, text, uuid};
use crate::http::{Access, Call, Endpoint, Output, Reply, post};

/// Routes that are told of beside the one that is taken.
const CLOSE_MAX: usize = 5;

pub(super) fn endpoint(gateway: &Arc<Gateway>) -> Endpoint {
    let gateway = gateway.clone();
    let input = vec![
        choice("method", &METHODS).default("GET").help("The method of the request."),
        text("url").required().max(target::LENGTH_MAX).form(Target::FORM).help("Its URL, or the path and query of it."),
    ];
    post("/api/routes/match", Access::Permission(READ), move |call| find(&gateway, call))
        .summary("Tell which route a request would take, and why")
        .input(input, Mode::Create)
        .answers(200, Output::Object(output()))
        .named("RouteRequest", "RouteMatch")
}

fn output() -> Vec<Field> {
    let name = crate::fields::Form::LINE;
    vec![
        text("path").never_null().help("The path in the form in which it is looked up."),
        record("route", shown_fields()).help("The route that is taken; null if there is none."),
        text("reason").never_null().help("Why this one, or none."),
        map("parameters", name, text("value").never_null(), pattern::LENGTH_MAX)
            .never_null()
            .help("What the parameters of its pattern stand for."),
        text("rest").help("What * stands for, where it is in the pattern."),
        text("upstream_url").help("What the upstream is asked for."),
        records(
            "close",
            vec![
                uuid("id").never_null().help("Its id."),
                text("name").never_null().help("Its name."),
                text("path").never_null().help("Its pattern."),
                list("methods", text("method"), METHODS.len()).never_null().help("The methods that it takes."),
                boolean("enabled").never_null().help("Whether gateways take it."),
                text("reason").never_null().help("Why it is not taken."),
            ],
            CLOSE_MAX,
        )
        .never_null()
        .help("Others that were close, the closest first."),
    ]
}

fn find(gateway: &Gateway, call: &mut Call<'_, '_>) -> Result<Reply> {
    let input = call.input()?;
    let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    let (method, target) = (text("method"), Target::parse(text("url"))?);
    let snapshot = gateway.snapshot()?;
    Ok(Reply::value(200, &explain(&snapshot, method, &target)?))
}

/// The answer: what a gateway that tries one route after the other would take, and what can be said about it.
fn explain(snapshot: &Snapshot, method: &str, target: &Target) -> Result<Value> {
    let segments = target.segments();
    let fitting = that_take(&snapshot.routes, &segments);
    let taken = fitting.iter().position(|route| route.takes(method)).map(|index| fitting[index]);
    let close = close(snapshot, method, &segments, &fitting, taken);
    let reason = match taken {
        Some(_) => match fitting.iter().filter(|route| route.takes(method)).count() {
            1 => format!("it is the only enabled route that takes {method} on this path"),
            count => format!("of the {count} enabled routes that take {method} on this path, its pattern says most"),
        },
        None if fitting.is_empty() => "no enabled route takes this path".to_owned(),
        None => {
            let mut methods: Vec<&str> = fitting.iter().flat_map(|route| &route.methods).map(String::as_str).collect();
            methods.sort_unstable();
            methods.dedup();
            format!("enabled routes take this path, but none takes {method} on it, only {}", methods.join(", "))
        }
    };
    let close: Vec<Value> = close.iter().take(CLOSE_MAX).map(show).collect();
    let mut answer = json!({
        "path": target.path, "route": null, "reason": reason, "parameters": {}, "rest": null, "upstream_url": null,
        "close": close,
    });
    if let Some(route) = taken {
        let object: Value = serde_json::from_str(&route.object)
            .map_err(|error| Error::internal("a route in memory is no JSON").because(error))?;
        let (parameters, rest) = values(&route.path, &segments);
        answer["upstream_url"] = json!(upstream_url(&object, target));
        answer["route"] = object;
        answer["parameters"] = Value::Object(parameters);
        answer["rest"] = json!(rest);
    }
    Ok(answer)
}

/// The routes that are not taken, and why: those whose pattern fits, those that are disabled, and, where no route is taken,
/// those whose pattern nearly fits.
fn close<'a>(
    snapshot: &'a Snapshot,
    method: &str,
    segments: &[&str],
    fitting: &[&'a Arc<Route>],
    taken: Option<&'a Arc<Route>>,
) -> Vec<Near<'a>> {
    let others = fitting.iter().copied().filter(|route| taken.is_none_or(|taken| taken.id != route.id));
    let mut close: Vec<Near<'a>> = others
        .map(|route| match taken {
            Some(taken) if route.takes(method) => Near { route, reason: why_behind(route, taken) },
            _ => Near { route, reason: format!("takes {}, and not {method}", route.methods.join(", ")) },
        })
        .collect();
    let disabled = that_take(&snapshot.disabled, segments).into_iter().filter(|route| route.takes(method));
    close.extend(disabled.map(|route| Near { route, reason: "is disabled".to_owned() }));
    if taken.is_none() && close.len() < CLOSE_MAX {
        close.extend(near(&snapshot.routes, segments, CLOSE_MAX - close.len()));
    }
    close
}

fn show(near: &Near<'_>) -> Value {
    let route = near.route;
    json!({
        "id": route.id, "name": route.name, "path": route.path, "methods": route.methods, "enabled": route.enabled,
        "reason": near.reason,
    })
}

/// What the parameters of a pattern that fits stand for, and what `*` does.
fn values(pattern: &str, segments: &[&str]) -> (Map<String, Value>, Option<String>) {
    let (mut parameters, mut rest) = (Map::new(), None);
    for (index, segment) in pattern::segments(pattern).unwrap_or_default().into_iter().enumerate() {
        match segment {
            Segment::Literal(_) => {}
            Segment::Parameter(name) => {
                parameters.insert(name.to_owned(), json!(segments.get(index)));
            }
            Segment::Rest => rest = Some(segments.get(index..).unwrap_or_default().join("/")),
        }
    }
    (parameters, rest)
}

/// The path of the request, less what is taken off its front, behind the upstream's own.
fn upstream_url(route: &Value, target: &Target) -> String {
    let text = |name: &str| route[name].as_str().unwrap_or_default();
    let path = target.path.strip_prefix(text("strip_path")).unwrap_or(&target.path);
    let base = text("upstream");
    let base = base.strip_suffix('/').unwrap_or(base);
    let is_bare = path.is_empty() && base.split("://").nth(1).is_some_and(|place| !place.contains('/'));
    format!("{base}{}{}", if is_bare { "/" } else { path }, target.query)
}
