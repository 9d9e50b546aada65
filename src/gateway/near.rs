//! Routes that a request does not take, though it nearly would, and what is in the way.

use std::cmp::Reverse;
use std::sync::Arc;

use super::snapshot::Route;

/// A route that is not taken, and why.
pub(super) struct Near<'a> {
    pub route: &'a Arc<Route>,
    pub reason: String,
}

/// Why a route that would take a request stands behind the one that does: the first segment in which they differ.
pub(super) fn why_behind(route: &Route, taken: &Route) -> String {
    let mut pairs = route.path.split('/').zip(taken.path.split('/'));
    match pairs.find(|(own, other)| kind(own) != kind(other)) {
        Some((own, other)) => {
            format!("would take it too, but stands behind: it says {own} where the other says {other}")
        }
        None => "would take it too, but stands behind: its pattern says less".to_owned(),
    }
}

fn kind(segment: &str) -> u8 {
    match segment {
        "*" => 2,
        _ if segment.starts_with('{') => 1,
        _ => 0,
    }
}

/// The routes whose patterns agree with a path in the most segments from the left, and do not take it.
pub(super) fn near<'a>(routes: &'a [Arc<Route>], segments: &[&str], count: usize) -> Vec<Near<'a>> {
    let mut best: Vec<(usize, &'a Arc<Route>, String)> = Vec::new();
    for route in routes {
        let worst = if best.len() < count { 0 } else { best.last().map_or(0, |(agreed, _, _)| *agreed) };
        if let Some((agreed, reason)) = compare(&route.path, segments, worst) {
            let place = best.partition_point(|(other, _, _)| Reverse(*other) <= Reverse(agreed));
            best.insert(place, (agreed, route, reason));
            best.truncate(count);
        }
    }
    best.into_iter().map(|(_, route, reason)| Near { route, reason }).collect()
}

/// In how many segments a pattern agrees with a path, if it is in more than `worst`, and what is in the way of the rest.
fn compare(pattern: &str, segments: &[&str], worst: usize) -> Option<(usize, String)> {
    let parts = || pattern.split('/').skip(1);
    let agrees = |(part, segment): &(&str, &&str)| {
        (part.starts_with('{') && !segment.is_empty()) || part.eq_ignore_ascii_case(segment)
    };
    let agreed = parts().zip(segments).take_while(agrees).count();
    if agreed <= worst {
        return None;
    }
    let reason = match (parts().nth(agreed), segments.get(agreed)) {
        (None, None) | (Some("*"), _) => {
            let mut pairs = parts().zip(segments).take(agreed);
            // A pattern that differs in nothing takes the path, and is told of elsewhere.
            let (part, segment) = pairs.find(|(part, segment)| !part.starts_with('{') && part != *segment)?;
            format!("says {part} where the path has {segment}: case makes a difference")
        }
        (None, Some(&"")) => "has no / at its end".to_owned(),
        (Some(""), None) => "has a / at its end".to_owned(),
        (None, Some(segment)) => format!("ends where the path goes on with {segment}"),
        (Some(part), None) => format!("goes on with {part} where the path ends"),
        (Some(part), Some(segment)) => format!("says {part} where the path has {segment}"),
    };
    Some((agreed, reason))
}
