//! All routes at one moment, in the order in which gateways try them.
//!
//! The order: segment by segment from the left, where a pattern ends comes before a literal segment, that before a
//! parameter, and that before `*`. So of all patterns that take a path, the first is the one that says most about it, from
//! the left; and whoever tries the routes one after the other, and takes the first whose pattern and methods fit, takes
//! the right one.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::export::{self, Export, Format};
use super::pattern::{self, Segment};
use crate::error::Result;
use crate::http::SharedBody;

/// How a segment sorts, and the end of a pattern before them all. A literal is followed by its text and a zero, which sorts
/// before all that a text may have in it.
const END: u8 = 0;
const LITERAL: u8 = 1;
const PARAMETER: u8 = 2;
const REST: u8 = 3;

/// A route, as it was read.
#[derive(Debug)]
pub struct Route {
    pub id: Uuid,
    pub name: String,
    pub path: String,
    pub methods: Vec<String>,
    pub enabled: bool,
    /// The whole of it, as `GET /api/routes/{id}` answers it.
    pub object: String,
    key: Vec<u8>,
    digest: [u8; 32],
}

impl Route {
    pub(super) fn new(
        id: Uuid,
        name: String,
        path: String,
        methods: Vec<String>,
        enabled: bool,
        object: String,
    ) -> Route {
        let key = key(&path);
        let digest = Sha256::digest(&object).into();
        Route { id, name, path, methods, enabled, object, key, digest }
    }

    /// What routes are sorted by. Two with the same pattern have no method in common, or one of them is disabled.
    pub(super) fn place(&self) -> (&[u8], &str, Uuid) {
        (&self.key, &self.name, self.id)
    }

    /// So many bytes of its key behind `depth`, or all that there are.
    fn part(&self, depth: usize, length: usize) -> &[u8] {
        let key = self.key.get(depth..).unwrap_or_default();
        &key[..length.min(key.len())]
    }

    pub fn takes(&self, method: &str) -> bool {
        self.methods.iter().any(|known| known == method)
    }
}

/// A pattern as bytes that sort as patterns do. What is no pattern, which the database would not keep, comes last.
fn key(pattern: &str) -> Vec<u8> {
    let Some(segments) = pattern::segments(pattern) else { return vec![u8::MAX] };
    let mut key = Vec::with_capacity(pattern.len() + segments.len() + 1);
    for segment in &segments {
        match segment {
            Segment::Literal(text) => {
                key.push(LITERAL);
                key.extend_from_slice(text.as_bytes());
                key.push(0);
            }
            Segment::Parameter(_) => key.push(PARAMETER),
            Segment::Rest => key.push(REST),
        }
    }
    if segments.last() != Some(&Segment::Rest) {
        key.push(END);
    }
    key
}

/// An export, when it has been made.
type Made = Arc<OnceLock<Result<Arc<Export>>>>;

/// Exports that are kept.
const EXPORTS_MAX: usize = 8;

/// All routes at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Names the enabled routes and all that they say: whoever has the same has the same configuration.
    pub etag: String,
    /// The enabled routes, in the order in which they are tried.
    pub routes: Vec<Arc<Route>>,
    /// The others, in the same order.
    pub disabled: Vec<Arc<Route>>,
    body: OnceLock<Arc<SharedBody>>,
    /// As configurations of other gateways, by their ports: those that were asked for last.
    exports: Mutex<Vec<((Format, u16), Made)>>,
}

impl Snapshot {
    /// From all routes, sorted by their places.
    pub(super) fn new<'a>(sorted: impl Iterator<Item = &'a Arc<Route>>) -> Snapshot {
        let (routes, disabled): (Vec<_>, Vec<_>) = sorted.cloned().partition(|route| route.enabled);
        let mut hash = Sha256::new();
        for route in &routes {
            hash.update(route.digest);
        }
        let digest = hash.finalize();
        let etag = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Snapshot { etag, routes, disabled, body: OnceLock::new(), exports: Mutex::default() }
    }

    /// The enabled routes as objects, in their order.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| &*route.object)
    }

    /// The enabled routes as JSON, made once.
    pub(super) fn body(&self) -> Arc<SharedBody> {
        self.body.get_or_init(|| SharedBody::new("application/json", self.write())).clone()
    }

    /// As the configuration of another gateway, made once while it is among those asked for last. `charge` says whether
    /// it may be made.
    pub(super) fn exported(
        &self,
        format: Format,
        port: u16,
        charge: impl FnOnce() -> Result<()>,
    ) -> Result<Arc<Export>> {
        let mut exports = self.exports.lock().unwrap_or_else(PoisonError::into_inner);
        let known = exports.iter().position(|(key, _)| *key == (format, port));
        let made = match known {
            Some(index) => exports.remove(index).1,
            None => {
                charge()?;
                Made::default()
            }
        };
        exports.insert(0, ((format, port), made.clone()));
        exports.truncate(EXPORTS_MAX);
        drop(exports);
        // Those who ask for the same wait for the one who makes it.
        match made.get_or_init(|| export::export(format, port, self.objects()).map(Arc::new)) {
            Ok(export) => Ok(export.clone()),
            Err(error) => Err(error.for_another()),
        }
    }

    fn write(&self) -> Bytes {
        let length: usize = self.routes.iter().map(|route| route.object.len() + 1).sum();
        let mut text = String::with_capacity(length + 80);
        text.push_str("{\"etag\":\"");
        text.push_str(&self.etag);
        text.push_str("\",\"routes\":[");
        for (index, route) in self.routes.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&route.object);
        }
        text.push_str("]}");
        text.into()
    }
}

/// Of sorted routes, those whose patterns take a path, in their order.
pub(super) fn that_take<'a>(routes: &'a [Arc<Route>], segments: &[&str]) -> Vec<&'a Arc<Route>> {
    let mut found = Vec::new();
    walk(routes, 0, segments, &mut found);
    found
}

/// Goes on with the routes whose keys begin in the same way, up to `depth`.
fn walk<'a>(routes: &'a [Arc<Route>], depth: usize, segments: &[&str], found: &mut Vec<&'a Arc<Route>>) {
    if routes.is_empty() {
        return;
    }
    match segments.split_first() {
        None => found.extend(narrow(routes, depth, &[END])),
        Some((segment, rest)) => {
            let literal = [&[LITERAL], segment.as_bytes(), &[0]].concat();
            walk(narrow(routes, depth, &literal), depth + literal.len(), rest, found);
            if !segment.is_empty() {
                walk(narrow(routes, depth, &[PARAMETER]), depth + 1, rest, found);
            }
        }
    }
    found.extend(narrow(routes, depth, &[REST]));
}

/// Those whose keys go on with these bytes behind `depth`; all of them begin in the same way before that.
fn narrow<'a>(routes: &'a [Arc<Route>], depth: usize, bytes: &[u8]) -> &'a [Arc<Route>] {
    let start = routes.partition_point(|route| route.part(depth, bytes.len()) < bytes);
    let length = routes[start..].partition_point(|route| route.part(depth, bytes.len()) == bytes);
    &routes[start..start + length]
}
