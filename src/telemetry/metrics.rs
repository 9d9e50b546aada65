//! Figures over time: of machines and services, and of the work that they do.

use serde_json::json;

use crate::fields::{number, object, text, timestamp};
use crate::http::{Endpoint, Permission, Role};
use crate::resource::{Resource, Rule};
use crate::sql;

/// The same as for what Prometheus reads: who may see one kind of figures may see the others.
const READ: Permission = Permission::new("read:metrics", Role::Viewer);

const SYSTEM_RULES: &[Rule] = &[
    Rule::new("system_metrics_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new("system_metrics_value_is_a_number", "value", "must be a number, and not infinite"),
    Rule::new("system_metrics_labels_is_an_object", "labels", "must be an object"),
];

const PERFORMANCE_RULES: &[Rule] = &[
    Rule::new("performance_metrics_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new("performance_metrics_value_is_a_number", "value", "must be a number, and not infinite"),
    Rule::new("performance_metrics_labels_is_an_object", "labels", "must be an object"),
];

/// What both kinds have in common.
fn figures(resource: Resource) -> Resource {
    Resource {
        fields: vec![
            text("name").required().help("What was measured: memory_bytes."),
            number("value").required().help("How much it was."),
            object("labels").default(json!({})).help("Of what: {\"host\": \"a\"}."),
            timestamp("recorded_at").never_null().help("When it was measured; now, unless it is said."),
        ],
        filters: &["name", "value", "labels", "recorded_at"],
        beside: &["value", "labels", "created_at"],
        sorts: &["recorded_at"],
        is_log: true,
        ..resource
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let system = Resource {
        insert: Some(sql!("telemetry/system_metrics/insert")),
        rules: SYSTEM_RULES,
        ..Resource::new(
            "telemetry.system_metrics",
            "system-metrics",
            "system metric",
            sql!("telemetry/system_metrics/select"),
            READ,
            Permission::new("write:system-metrics", Role::Admin),
        )
    };
    let performance = Resource {
        insert: Some(sql!("telemetry/performance_metrics/insert")),
        rules: PERFORMANCE_RULES,
        ..Resource::new(
            "telemetry.performance_metrics",
            "performance-metrics",
            "performance metric",
            sql!("telemetry/performance_metrics/select"),
            READ,
            Permission::new("write:performance-metrics", Role::Admin),
        )
    };
    [system, performance].into_iter().flat_map(|resource| figures(resource).endpoints()).collect()
}
