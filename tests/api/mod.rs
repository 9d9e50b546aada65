//! The API, through HTTP: what all endpoints have in common, and each resource.

mod resources;
