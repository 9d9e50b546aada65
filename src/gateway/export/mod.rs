//! Routes as the configuration of gateways that are not ours: one file for each format.
//!
//! An exporter is a pure function from routes, in the order in which they are tried, to text. What its format cannot say
//! is noted, never dropped in silence; and a route whose callers must show something that the format cannot ask for is
//! exported closed, so that nothing is open that was not. All formats refuse a path that is not in its one form (`..`,
//! `%61`): what this gateway and the upstream might read in two ways goes nowhere.
//!
//! Nothing that a route says may end a string, begin a directive or name a variable: each exporter has one function that
//! quotes, and its words on what is special there.

mod route;
mod regex;
mod yaml;
mod nginx;
mod haproxy;
mod caddy;
mod traefik;
mod envoy;
mod kong;

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
use route::Route;

/// A gateway whose configuration can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
    Envoy,
    Kong,
}

impl Format {
    pub const ALL: [Format; 6] =
        [Format::Nginx, Format::Haproxy, Format::Caddy, Format::Traefik, Format::Envoy, Format::Kong];

    pub fn name(self) -> &'static str {
        match self {
            Format::Nginx => "nginx",
            Format::Haproxy => "haproxy",
            Format::Caddy => "caddy",
            Format::Traefik => "traefik",
            Format::Envoy => "envoy",
            Format::Kong => "kong",
        }
    }

    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The type of the file. Caddy's is JSON, and not that of the API.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Nginx | Format::Haproxy | Format::Caddy => TEXT,
            Format::Traefik | Format::Envoy | Format::Kong => YAML,
        }
    }
}

/// The types of files.
pub const TEXT: &str = "text/plain; charset=utf-8";
pub const YAML: &str = "application/yaml";
/// Where an exported gateway listens unless it is told otherwise.
pub const PORT: u16 = 8000;

/// Something that the format cannot say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The name of the route; empty if it is about all of them.
    pub route: String,
    /// The field that is not, or not quite, expressed.
    pub field: &'static str,
    pub message: String,
}

impl Note {
    /// As a line of text, whatever the name has in it: what ends a line in any of the formats is left out of it.
    pub fn line(&self) -> String {
        comment(&match self.route.is_empty() {
            true => format!("{}: {}", self.field, self.message),
            false => format!("route {}: {} {}", self.route, self.field, self.message),
        })
    }
}

/// What came of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    pub text: String,
    pub notes: Vec<Note>,
}

/// What an exporter writes down while it goes through the routes.
#[derive(Default)]
struct Notes(Vec<Note>);

impl Notes {
    fn add(&mut self, route: &Route, field: &'static str, message: impl Into<String>) {
        self.0.push(Note { route: route.name.clone(), field, message: message.into() });
    }

    fn general(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(Note { route: String::new(), field, message: message.into() });
    }
}

/// The configuration of a gateway that listens on a port, from enabled routes in their order: objects as
/// `GET /api/routes/{id}` answers them.
pub fn export<'a>(format: Format, port: u16, objects: impl IntoIterator<Item = &'a str>) -> Result<Export> {
    let mut notes = Notes::default();
    let mut routes = Vec::new();
    for object in objects {
        let object: Value = serde_json::from_str(object)
            .map_err(|error| crate::error::Error::internal("a route is no JSON").because(error))?;
        match Route::read(&object) {
            Ok(route) => routes.push(route),
            // The API keeps no such route; somebody has written it by hand.
            Err(problem) => notes.0.push(Note {
                route: object["name"].as_str().unwrap_or_default().to_owned(),
                field: "route",
                message: format!("is left out: {problem}"),
            }),
        }
    }
    let write = match format {
        Format::Nginx => nginx::write,
        Format::Haproxy => haproxy::write,
        Format::Caddy => caddy::write,
        Format::Traefik => traefik::write,
        Format::Envoy => envoy::write,
        Format::Kong => kong::write,
    };
    let body = write(&routes, port, &mut notes);
    let text = match format {
        // JSON has no comments; this one's notes are in it.
        Format::Caddy => body,
        _ => head(format, routes.len(), &notes) + &body,
    };
    Ok(Export { text, notes: notes.0 })
}

/// The comment at the top of a file.
fn head(format: Format, count: usize, notes: &Notes) -> String {
    let mut text =
        format!("# {count} routes of mainstay for {}. Made by a program: changes are lost.\n", format.name());
    if !notes.0.is_empty() {
        text.push_str("#\n# What it does not say, or not quite:\n");
    }
    for note in &notes.0 {
        text += &format!("#   {}\n", note.line());
    }
    text
}

/// A text for a comment: nothing that ends a line, in any of the formats. YAML has more of those than others.
fn comment(text: &str) -> String {
    let is_break = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}');
    text.chars().map(|letter| if is_break(letter) { '?' } else { letter }).collect()
}

/// Why a route is closed, if the format cannot ask callers for what they must show.
fn is_closed(route: &Route, notes: &mut Notes) -> bool {
    let Some(auth) = &route.auth else { return false };
    let message =
        format!("{} cannot be checked with what a route says, so the route is closed: it answers 403", auth.kind);
    notes.add(route, "auth", message);
    true
}
