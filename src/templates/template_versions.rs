//! What was published: version by version, as it was at that moment. Nobody writes it but the act of publishing.

use crate::fields::{object, text, uuid};
use crate::http::Endpoint;
use crate::resource::{Resource, Rule};
use crate::sql;

use super::templates::{READ, WRITE};

/// Those of them that a client may run into.
pub(super) const RULES: &[Rule] = &[Rule::new(
    "template_versions_are_published_once",
    "template_version",
    "was published before; publish the next one",
)];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let versions = Resource {
        fields: vec![
            uuid("template_id").read_only().never_null().help("The template."),
            text("template_version").read_only().never_null().help("The version."),
            text("checksum").read_only().never_null().help("SHA-256 of the snapshot as PostgreSQL writes it."),
            object("snapshot").read_only().never_null().long().help("The template as it was published."),
            uuid("published_by").read_only().help("Who published it."),
        ],
        filters: &["template_id", "template_version", "checksum", "published_by"],
        beside: &["template_version", "checksum"],
        is_log: true,
        ..Resource::new(
            "templates.template_versions",
            "template-versions",
            "template version",
            sql!("templates/template_versions/select"),
            READ,
            WRITE,
        )
    };
    versions.endpoints().into_iter().map(Endpoint::remembered).collect()
}
