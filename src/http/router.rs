//! From a method and a path to an endpoint.

use std::borrow::Cow;
use std::collections::HashMap;

use super::endpoint::{Endpoint, Verb};
use super::query::decode_segment;
use crate::error::{Code, Error, Result};

/// A place in the tree of paths.
#[derive(Debug, Default)]
struct Node {
    named: HashMap<String, Node>,
    /// What `{id}` leads to.
    any: Option<(String, Box<Node>)>,
    endpoints: Vec<(Verb, usize)>,
}

/// All endpoints, by their paths.
#[derive(Debug, Default)]
pub struct Router {
    endpoints: Vec<Endpoint>,
    root: Node,
}

/// The values of a path's `{parameters}`.
pub type PathValues<'a> = Vec<(&'a str, Cow<'a, str>)>;

impl Router {
    /// The endpoints must not have the same method and path twice, nor two names for one parameter: a mistake of ours.
    pub fn new(mut endpoints: Vec<Endpoint>) -> Result<Router> {
        let mut router = Router::default();
        for (index, endpoint) in endpoints.iter_mut().enumerate() {
            endpoint.place = index;
            // A server has one table of endpoints for as long as it runs.
            endpoint.label = Box::leak(format!("{endpoint:?}").into_boxed_str());
            let mut node = &mut router.root;
            for segment in segments(&endpoint.path) {
                node = match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    None => node.named.entry(segment.to_owned()).or_default(),
                    Some(name) => {
                        let (known, next) = node.any.get_or_insert_with(|| (name.to_owned(), Box::default()));
                        if known != name {
                            return Err(Error::internal(format!("{endpoint:?}: {{{known}}} has two names")));
                        }
                        next
                    }
                };
            }
            if node.endpoints.iter().any(|(verb, _)| *verb == endpoint.verb) {
                return Err(Error::internal(format!("{endpoint:?} is there twice")));
            }
            node.endpoints.push((endpoint.verb, index));
        }
        router.endpoints = endpoints;
        Ok(router)
    }

    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The endpoint for a method (`None` for one that no endpoint has) and a path, with the path's values.
    pub fn find<'a>(&'a self, verb: Option<Verb>, path: &'a str) -> Result<(&'a Endpoint, PathValues<'a>)> {
        let mut values = Vec::new();
        let nothing = || Error::new(Code::NotFound, format!("there is nothing at {path}"));
        let node = find(&self.root, path.strip_prefix('/').ok_or_else(nothing)?, &mut values)?
            .filter(|node| !node.endpoints.is_empty())
            .ok_or_else(nothing)?;
        let index = node.endpoints.iter().find(|(known, _)| Some(*known) == verb).map(|(_, index)| *index);
        match index {
            Some(index) => Ok((&self.endpoints[index], values)),
            None => Err(Error::new(Code::MethodNotAllowed, format!("{path} knows {}", node.allow()))
                .header("Allow", node.allow())),
        }
    }
}

impl Node {
    /// The methods, for `Allow`.
    fn allow(&self) -> String {
        let mut verbs: Vec<&str> = self.endpoints.iter().map(|(verb, _)| verb.name()).collect();
        if verbs.contains(&"GET") {
            verbs.push("HEAD");
        }
        verbs.push("OPTIONS");
        verbs.join(", ")
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_start_matches('/').split('/')
}

fn find<'a>(node: &'a Node, path: &'a str, values: &mut PathValues<'a>) -> Result<Option<&'a Node>> {
    let (segment, rest) = match path.split_once('/') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    };
    let next = match (node.named.get(segment), &node.any) {
        (Some(next), _) => next,
        (None, Some((name, next))) if !segment.is_empty() => {
            values.push((name, decode_segment(segment)?));
            next
        }
        _ => return Ok(None),
    };
    match rest {
        Some(rest) => find(next, rest, values),
        None => Ok(Some(next)),
    }
}
