//! The catalogue: what projects are made from.
//!
//! Owns categories, technologies, templates and the versions of them that were published. What is made from them is the
//! business of devx, which reads what was published in the database.

mod categories;
mod technologies;
#[allow(clippy::module_inception)] // the table has the name of its schema
mod templates;
mod publishing;
mod template_versions;
mod backstage;
mod catalogue;
mod import;
mod jobs;

use crate::http::Endpoint;
pub use catalogue::Catalogue;
pub use import::{Done, Step, import, seed};
pub use jobs::jobs;

/// All endpoints of the domain.
pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = categories::endpoints();
    endpoints.extend(technologies::endpoints());
    endpoints.extend(templates::endpoints());
    endpoints.extend(publishing::endpoints());
    endpoints.extend(template_versions::endpoints());
    endpoints
}
