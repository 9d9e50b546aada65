//! Teams and who is in them.

use serde_json::{Value, json};

use crate::error::{Code, Error, Result};
use crate::fields::{Form, Mode, choice, object, text, timestamp, uuid};
use crate::http::{Access, Call, Endpoint, Many, Output, Permission, Reply, Role, post};
use crate::resource::{Resource, Rule};
use crate::sql;
use crate::sql::Json;

const TEAM_RULES: &[Rule] = &[
    Rule::new("teams_slug_is_unique", "slug", "is another team's"),
    Rule::new("teams_creator_exists", "created_by", "is no user"),
    Rule::new("teams_name_has_1_to_255_characters", "name", "must have 1 to 255 characters"),
    Rule::new("teams_slug_is_lower_case_words", "slug", "must be lower-case letters and digits, with single hyphens"),
    Rule::new("teams_slug_has_at_most_63_characters", "slug", "must have at most 63 characters"),
    Rule::new("teams_metadata_is_an_object", "metadata", "must be an object"),
];

const WRITE_MEMBERS: Permission = Permission::new("write:team-members", Role::User);

const MEMBER_RULES: &[Rule] = &[
    Rule::new("team_members_user_is_in_a_team_once", "user_id", "is in the team already"),
    Rule::new("team_members_team_exists", "team_id", "is no team"),
    Rule::new("team_members_user_exists", "user_id", "is no user"),
    Rule::new("team_members_role_is_known", "role", "must be OWNER, MEMBER or VIEWER"),
];

fn teams() -> Resource {
    let read = Permission::new("read:teams", Role::Viewer);
    let write = Permission::new("write:teams", Role::User);
    Resource {
        fields: vec![
            text("name").required().form(Form::LINE).help("What people call the team."),
            text("slug").required().max(63).form(Form::SLUG).help("Its name in URLs; unique."),
            uuid("created_by").read_only().help("Who made it, and owned it first."),
            object("metadata").default(json!({})).help("Anything else."),
        ],
        filters: &["name", "slug", "created_by", "metadata"],
        sorts: &["name", "slug"],
        searched: &["name"],
        insert: Some(sql!("identity/teams/insert")),
        update: Some(sql!("identity/teams/update")),
        delete: Some(sql!("identity/teams/delete")),
        is_guarded: true,
        own: Some(
            "t.id = ANY (ARRAY(\
             SELECT identity.current_team_ids() UNION ALL SELECT identity.current_invitation_team_ids()))",
        ),
        rules: TEAM_RULES,
        prepare: Some(Box::new(|call, mode, body| {
            if mode == Mode::Create {
                body.insert("created_by".to_owned(), Value::String(call.caller()?.user_id.to_string()));
            }
            Ok(())
        })),
        ..Resource::new("identity.teams", "teams", "team", sql!("identity/teams/select"), read, write)
    }
}

/// Whoever is named by an owner is invited, and a member when they accept; whom an administrator names is one at once.
fn members() -> Resource {
    let read = Permission::new("read:team-members", Role::Viewer);
    Resource {
        fields: vec![
            uuid("team_id").required().fixed().help("The team."),
            uuid("user_id").required().fixed().help("The user."),
            choice("role", &["OWNER", "MEMBER", "VIEWER"])
                .default("MEMBER")
                .help("Owners change the team and its members."),
            timestamp("accepted_at").read_only().help("When the user became a member; until then they are invited."),
            text("user_name")
                .read_only()
                .veiled()
                .help("What people call the user; of somebody who is only invited nothing is said."),
        ],
        filters: &["team_id", "user_id", "role"],
        beside: &["role", "created_at", "updated_at"],
        insert: Some(sql!("identity/team_members/insert")),
        update: Some(sql!("identity/team_members/update")),
        delete: Some(sql!("identity/team_members/delete")),
        is_guarded: true,
        own: Some("t.user_id = {user} OR t.team_id = ANY (ARRAY(SELECT identity.current_team_ids()))"),
        rules: MEMBER_RULES,
        ..Resource::new(
            "identity.team_members",
            "team-members",
            "team member",
            sql!("identity/team_members/select"),
            read,
            WRITE_MEMBERS,
        )
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = teams().endpoints();
    endpoints.push(
        post("/api/team-members/{id}/accept", Access::Permission(WRITE_MEMBERS), accept)
            .summary("Accept an invitation; to decline one, or to leave, delete it")
            .answers(204, Output::Nothing)
            .guarded(true)
            .writes(),
    );
    endpoints.extend(members().endpoints());
    endpoints
}

fn accept(call: &mut Call<'_, '_>) -> Result<Reply> {
    let (id, actor, user) = (call.id()?, call.actor(), call.caller()?.user_id);
    call.write(Many::No, |statements| {
        match statements.all(&sql!("identity/team_members/accept"), &[&Json(&actor), &user, &id])?.len() {
            0 => Err(Error::new(Code::NotFound, format!("you have no invitation {id}"))),
            _ => Ok(Reply::empty(204)),
        }
    })
}
