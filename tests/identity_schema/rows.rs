//! Row-level security: what somebody who has taken the role `authenticated_users` sees and changes.

use super::*;

const TABLES: [&str; 6] = ["users", "teams", "team_members", "api_keys", "sessions", "user_tokens"];

/// Two in a team, one outside of it, an administrator, and one who was.
struct World {
    _database: Database,
    client: Client,
    admin: Uuid,
    former: Uuid,
    owner: Uuid,
    member: Uuid,
    stranger: Uuid,
    team: Uuid,
}

impl World {
    fn new() -> World {
        let (database, mut client) = migrated();
        let admin = user(&mut client, "admin@example.org", "ADMIN");
        let former = user(&mut client, "former@example.org", "ADMIN");
        client.batch_execute("UPDATE identity.users SET status = 'SUSPENDED' WHERE email LIKE 'former%'").unwrap();
        let owner = user(&mut client, "owner@example.org", "USER");
        let member = user(&mut client, "member@example.org", "USER");
        let stranger = user(&mut client, "stranger@example.org", "USER");
        let statement = "INSERT INTO identity.teams (name, slug, created_by) VALUES ('T', 't', $1) RETURNING id";
        let team: Uuid = client.query_one(statement, &[&owner]).unwrap().get(0);
        let statement = "INSERT INTO identity.team_members (team_id, user_id) VALUES ($1, $2)";
        client.execute(statement, &[&team, &member]).unwrap();
        client
            .batch_execute(
                "SELECT identity.generate_api_key('k', email) FROM identity.users;
                 INSERT INTO identity.sessions (user_id, token, family, expires_at)
                 SELECT id, sha256(uuid_send(id)), sha256(uuid_send(id)), now() + interval '1 day' FROM identity.users;
                 INSERT INTO identity.user_tokens (user_id, kind, token_hash, expires_at)
                 SELECT id, 'VERIFY_EMAIL', sha256(uuid_send(id)), now() + interval '1 day' FROM identity.users;",
            )
            .unwrap();
        World { _database: database, client, admin, former, owner, member, stranger, team }
    }

    /// In the order of the tables of expectations below.
    fn everybody(&self) -> [Option<Uuid>; 6] {
        [Some(self.admin), Some(self.owner), Some(self.member), Some(self.stranger), Some(self.former), None]
    }

    /// How many rows a statement touches in the name of a user, or its error. Nothing of it stays.
    fn attempt(&mut self, user: Option<Uuid>, statement: &str) -> Result<u64, SqlState> {
        let mut transaction = self.client.transaction().unwrap();
        let user = user.map(|id| id.to_string()).unwrap_or_default();
        let set = format!("SET LOCAL app.current_user_id = '{user}'; SET LOCAL ROLE authenticated_users");
        transaction.batch_execute(&set).unwrap();
        transaction.execute(statement, &[]).map_err(|error| error.code().unwrap().clone())
    }

    /// The same for everybody, and what is expected of it: rows, or that it is refused.
    #[track_caller]
    fn expect(&mut self, statement: &str, expected: [Option<u64>; 6]) {
        let found = self.everybody().map(|user| match self.attempt(user, statement) {
            Ok(rows) => Some(rows),
            Err(SqlState::INSUFFICIENT_PRIVILEGE) => None,
            Err(state) => panic!("{statement}: {state:?}"),
        });
        assert_eq!(found, expected, "admin, owner, member, stranger, former admin, nobody: {statement}");
    }
}

/// Rows for admin, owner, member, stranger, former admin, and nobody.
const OWN: [Option<u64>; 6] = [Some(5), Some(1), Some(1), Some(1), Some(1), Some(0)];

#[test]
fn everybody_sees_their_own_rows_and_their_teams() {
    let mut world = World::new();
    for (table, expected) in [
        ("users", [5, 1, 1, 1, 1, 0]),
        ("teams", [1, 1, 1, 0, 0, 0]),
        ("team_members", [2, 2, 2, 0, 0, 0]),
        ("api_keys", [5, 1, 1, 1, 1, 0]),
        ("sessions", [5, 1, 1, 1, 1, 0]),
        ("user_tokens", [5, 1, 1, 1, 1, 0]),
    ] {
        world.expect(&format!("SELECT id FROM identity.{table}"), expected.map(Some));
    }
}

#[test]
fn everybody_changes_their_own_rows_and_owners_their_teams() {
    let mut world = World::new();
    let owners = |rows| [Some(rows), Some(rows), Some(0), Some(0), Some(0), Some(0)];
    world.expect("UPDATE identity.users SET name = 'x', metadata = '{\"a\": 1}', phone_number = '+49 30 1234'", OWN);
    world.expect("UPDATE identity.teams SET name = 'x'", owners(1));
    world.expect("UPDATE identity.team_members SET role = 'VIEWER'", owners(2));
    world.expect("UPDATE identity.api_keys SET revoked_at = now()", OWN);
    world.expect("UPDATE identity.sessions SET revoked_at = now()", OWN);
    world.expect("UPDATE identity.user_tokens SET used_at = now()", OWN);
}

#[test]
fn everybody_removes_their_own_rows_but_only_administrators_users() {
    let mut world = World::new();
    world.expect("DELETE FROM identity.users", [Some(5), Some(0), Some(0), Some(0), Some(0), Some(0)]);
    world.expect("DELETE FROM identity.teams", [Some(1), Some(1), Some(0), Some(0), Some(0), Some(0)]);
    world.expect("DELETE FROM identity.team_members", [Some(2), Some(2), Some(1), Some(0), Some(0), Some(0)]);
    for table in ["api_keys", "sessions", "user_tokens"] {
        world.expect(&format!("DELETE FROM identity.{table}"), OWN);
    }
}

#[test]
fn nobody_adds_rows_for_others_but_administrators() {
    let mut world = World::new();
    let (one, no) = (Some(1), None);
    let (team, member, stranger) = (world.team, world.member, world.stranger);
    world.expect("INSERT INTO identity.users (email) VALUES ('new@example.org')", [one, no, no, no, no, no]);
    let statement =
        format!("INSERT INTO identity.teams (name, slug, created_by) VALUES ('N', 'n', '{member}') RETURNING id");
    world.expect(&statement, [one, no, one, no, no, no]);
    let statement =
        format!("INSERT INTO identity.team_members (team_id, user_id) VALUES ('{team}', '{stranger}') RETURNING id");
    world.expect(&statement, [one, one, no, no, no, no]);
    let statement = format!(
        "INSERT INTO identity.api_keys (user_id, name, prefix, key_hash)
         VALUES ('{member}', 'k', 'ctm_12345678', sha256('a')) RETURNING id"
    );
    world.expect(&statement, [one, no, one, no, no, no]);
    let statement = format!(
        "INSERT INTO identity.sessions (user_id, token, family, expires_at)
         VALUES ('{member}', sha256('a'), sha256('a'), now()) RETURNING id"
    );
    world.expect(&statement, [one, no, one, no, no, no]);
    let statement = format!(
        "INSERT INTO identity.user_tokens (user_id, kind, token_hash, expires_at)
         VALUES ('{member}', 'VERIFY_EMAIL', sha256('a'), now()) RETURNING id"
    );
    world.expect(&statement, [one, no, one, no, no, no]);
}

#[test]
fn nobody_gives_rows_away_but_administrators() {
    let mut world = World::new();
    let admin = world.admin;
    for table in ["api_keys", "sessions", "user_tokens"] {
        let statement = format!("UPDATE identity.{table} SET user_id = '{admin}'");
        world.expect(&statement, [Some(5), None, None, None, None, Some(0)]);
    }
    let statement = "INSERT INTO identity.teams (name, slug) VALUES ('O', 'o') RETURNING id";
    let other: Uuid = world.client.query_one(statement, &[]).unwrap().get(0);
    // An owner of one team who moves a member into another would let them see that.
    let statement = format!("UPDATE identity.team_members SET team_id = '{other}'");
    world.expect(&statement, [Some(2), None, Some(0), Some(0), Some(0), Some(0)]);
}

#[test]
fn nobody_gives_themselves_rights_but_administrators() {
    let mut world = World::new();
    for change in [
        "role = 'VIEWER'",
        "status = 'PENDING_VERIFICATION'",
        "email = 'new@example.org'",
        "password_hash = '$2b$04$' || repeat('a', 53)",
        "failed_logins = 3",
        "locked_until = now()",
        "last_login = now()",
        "sso_provider = 'google', sso_subject = 'me'",
        "password_changed_at = now()",
        "email_verified_at = now()",
        "created_at = now() - interval '1 day'",
    ] {
        let statement = format!(
            "UPDATE identity.users SET {change} WHERE email NOT LIKE 'admin%' OR id = identity.current_user_id()"
        );
        for user in [world.owner, world.member, world.stranger, world.former] {
            assert_eq!(world.attempt(Some(user), &statement), Err(SqlState::INSUFFICIENT_PRIVILEGE), "{change}");
        }
        let own = format!("UPDATE identity.users SET {change} WHERE id = '{}'", world.stranger);
        assert_eq!(world.attempt(Some(world.admin), &own), Ok(1), "{change}");
    }
    let (stranger, former) = (world.stranger, world.former);
    let statement = format!("UPDATE identity.users SET id = gen_random_uuid() WHERE id = '{stranger}'");
    assert!(world.attempt(Some(stranger), &statement).is_err());
    assert!(world.attempt(Some(former), "UPDATE identity.users SET status = 'ACTIVE'").is_err());
}

#[test]
fn nobody_reads_a_secret_not_even_their_own_hash() {
    let mut world = World::new();
    for secret in [
        "password_hash FROM identity.users",
        "token FROM identity.sessions",
        "family FROM identity.sessions",
        "key_hash FROM identity.api_keys",
        "token_hash FROM identity.user_tokens",
        "* FROM identity.users",
        "to_jsonb(u) FROM identity.users AS u",
    ] {
        let statement = format!("SELECT {secret}");
        world.expect(&statement, [None; 6]);
        world.client.batch_execute("SET ROLE mainstay_readonly").unwrap();
        assert_eq!(refusal(&mut world.client, &statement).0, SqlState::INSUFFICIENT_PRIVILEGE, "{statement}");
        world.client.batch_execute("RESET ROLE").unwrap();
    }
}

#[test]
fn a_user_id_that_is_none_is_an_error_and_not_everybody() {
    let mut world = World::new();
    for table in TABLES {
        let text = format!(
            "SET app.current_user_id = 'x'' OR true'; SET ROLE authenticated_users; SELECT id FROM identity.{table}"
        );
        assert_eq!(refusal(&mut world.client, &text).0, SqlState::INVALID_TEXT_REPRESENTATION);
        world.client.batch_execute("RESET ROLE; RESET app.current_user_id").unwrap();
    }
    let unknown = Uuid::now_v7();
    for table in TABLES {
        assert_eq!(world.attempt(Some(unknown), &format!("SELECT id FROM identity.{table}")), Ok(0), "{table}");
    }
}

#[test]
fn the_read_only_role_sees_all_rows_and_changes_none() {
    let mut world = World::new();
    world.client.batch_execute("SET ROLE mainstay_readonly").unwrap();
    for (table, rows) in TABLES.into_iter().zip([5, 1, 2, 5, 5, 5]) {
        assert_eq!(
            world.client.query(&format!("SELECT id FROM identity.{table}"), &[]).unwrap().len(),
            rows,
            "{table}"
        );
        for statement in [format!("UPDATE identity.{table} SET id = id"), format!("DELETE FROM identity.{table}")] {
            assert_eq!(refusal(&mut world.client, &statement).0, SqlState::INSUFFICIENT_PRIVILEGE, "{statement}");
        }
    }
}

#[test]
fn who_the_caller_is_is_asked_once_for_a_statement_and_not_for_each_row() {
    let mut world = World::new();
    world.client.batch_execute("SET ROLE authenticated_users").unwrap();
    for table in TABLES {
        let rows = world.client.query(&format!("EXPLAIN (VERBOSE) SELECT id FROM identity.{table}"), &[]).unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let filters: Vec<&String> = plan.iter().filter(|line| line.contains("Filter:")).collect();
        assert!(!filters.is_empty() && filters.iter().all(|line| !line.contains("identity.current_")), "{plan:#?}");
    }
}
