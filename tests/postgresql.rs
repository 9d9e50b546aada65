//! The core on the oldest, a middle and the newest PostgreSQL, as a superuser, as the owner of the database, and as a role
//! that may create nothing but schemas and tables, as on managed servers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::app::text;
use crate::support::binary::mainstay;
use crate::support::client::Client;
use crate::support::folder;
use crate::support::server::{Extras, Server};
use crate::support::serving::Serving;

/// Who connects, and what an administrator did for them before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Superuser,
    /// May create roles, and owns the database.
    Owner,
    /// Was given the roles and the right to create schemas.
    Tables,
}

/// Where the package of a version was unpacked, or a copy that whoever runs PostgreSQL may enter.
fn programs(version: u32) -> PathBuf {
    static REACHABLE: OnceLock<PathBuf> = OnceLock::new();
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/postgresql");
    let reachable = REACHABLE.get_or_init(|| {
        use std::os::unix::fs::PermissionsExt;
        let is_open = |folder: &Path| folder.metadata().is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
        if unpacked.ancestors().all(is_open) {
            return unpacked.clone();
        }
        let copy = folder("postgresql");
        assert!(Command::new("cp").arg("-a").arg(unpacked.join(".")).arg(&copy).status().unwrap().success());
        copy
    });
    reachable.join(version.to_string()).join("native/bin")
}

/// A server of a version, and the address of an empty database for a role.
fn prepare(version: u32, role: Role) -> (Server, String) {
    let server = Server::start(Extras { programs: Some(&programs(version)), ..Extras::default() });
    let mut admin = server.client("postgres");
    let statements: &[&str] = match role {
        Role::Superuser => &["CREATE DATABASE home"],
        Role::Owner => &["CREATE ROLE owner LOGIN CREATEROLE", "CREATE DATABASE home OWNER owner"],
        Role::Tables => &[
            "CREATE ROLE tables LOGIN",
            "CREATE ROLE authenticated_users NOLOGIN",
            "CREATE ROLE mainstay_readonly NOLOGIN",
            "GRANT authenticated_users, mainstay_readonly TO tables",
            "CREATE DATABASE home",
            "GRANT CREATE ON DATABASE home TO tables",
        ],
    };
    for statement in statements {
        admin.batch_execute(statement).unwrap();
    }
    if role == Role::Tables {
        server.client("home").batch_execute("GRANT CREATE ON SCHEMA public TO tables").unwrap();
    }
    let user = match role {
        Role::Superuser => "postgres",
        Role::Owner => "owner",
        Role::Tables => "tables",
    };
    let address = format!("host={} user={user} dbname=home", server.folder.display());
    (server, address)
}

fn finding<'a>(findings: &'a Value, what: &str) -> &'a Value {
    let list = findings.as_array().unwrap();
    list.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("nothing of {what}: {findings}"))
}

fn core(version: u32, role: Role) {
    let (server, address) = prepare(version, role);
    let (data, declarations) = (folder("data"), folder("entities"));
    let declaration = json!({ "name": "notes", "fields": [{ "name": "title", "type": "text", "required": true }] });
    std::fs::write(declarations.join("notes.json"), declaration.to_string()).unwrap();
    let variables = [
        ("DATABASE_URL", address.as_str()),
        ("MAINSTAY_DATA", data.to_str().unwrap()),
        ("ENTITIES_PATH", declarations.to_str().unwrap()),
        ("ADMIN_EMAIL", "root@example.org"),
        ("ADMIN_PASSWORD", "first secret"),
        ("CREATE_ADMIN_API_KEY", "true"),
        ("BCRYPT_ROUNDS", "4"),
    ];
    let run = mainstay(&["migrate"], &variables);
    assert_eq!(run.code(), 0, "{}", run.said());
    let serving = Serving::start(&variables);
    serving.wait_until_ready();
    use_it(&serving.admin(&data), &Client::new(serving.address()));
    let run = mainstay(&["doctor", "--json"], &variables);
    let findings: Value = serde_json::from_str(&run.text()).unwrap();
    for what in ["server", "roles", "migrations", "permissions"] {
        assert_eq!(finding(&findings, what)["state"], "good", "{findings}");
    }
    let schema = if role == Role::Superuser { "good" } else { "warning" };
    assert_eq!(finding(&findings, "schema")["state"], schema, "{findings}");
    let (code, log) = serving.end(Signal::TERM);
    assert!(code == 0 && !log.contains(" ERROR "), "{log}");
    // What people have declared is theirs: no way back drops it.
    server.client("home").batch_execute("DROP TABLE app.notes").unwrap();
    let run = mainstay(&["migrate", "rollback", "--steps", "99", "--yes"], &variables);
    assert_eq!(run.code(), 0, "{}", run.said());
    let left = "SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^(pg_|information_schema|public)'";
    assert_eq!(server.client("home").query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
}

/// What rows of one's own, everybody's rows, logs and questions stand on.
fn use_it(admin: &Client, nobody: &Client) {
    let user = |email: &str| {
        let body = json!({ "email": email, "password": "right password", "role": "USER" });
        let id = text(&admin.post("/api/users", &body).expect(201).json()["id"]);
        let login = nobody.post("/api/auth/login", &json!({ "email": email, "password": "right password" }));
        let token = text(&login.expect(200).json()["access_token"]);
        (id, nobody.with("Authorization", &format!("Bearer {token}")))
    };
    let ((_, one), (other_id, other)) = (user("one@example.org"), user("other@example.org"));
    let team = text(&one.post("/api/teams", &json!({ "name": "Ours", "slug": "ours" })).expect(201).json()["id"]);
    let path = format!("/api/teams/{team}");
    other.get(&path).expect(404);
    let invitation = json!({ "team_id": team, "user_id": other_id, "role": "MEMBER" });
    let member = text(&one.post("/api/team-members", &invitation).expect(201).json()["id"]);
    assert_eq!(other.get("/api/notifications").expect(200).json()["data"].as_array().unwrap().len(), 1);
    other.post(&format!("/api/team-members/{member}/accept"), &json!({})).expect(204);
    assert_eq!(other.get(&path).expect(200).json()["name"], "Ours");
    one.with("If-Match", "*").patch(&path, &json!({ "name": "All of ours" })).expect(200);
    let activity = one.get("/api/activity-logs").expect(200).json();
    assert!(activity.to_string().contains("All of ours") && !activity.to_string().contains("root@"), "{activity}");
    let route = json!({ "path": "/pay/*", "name": "pay", "upstream": "http://127.0.0.1:9", "methods": ["GET"] });
    admin.post("/api/routes", &route).expect(201);
    admin.post("/api/entities/notes", &json!({ "title": "kept" })).expect(201);
    let question = json!({ "sql": "SELECT count(*) AS teams FROM teams" });
    assert_eq!(admin.post("/api/database/query", &question).expect(200).json()["rows"][0]["teams"], 1);
    admin.with("If-Match", "*").delete(&path).expect(204);
    let audit = admin.get("/api/audit-logs?resource_type=teams").expect(200).json();
    assert_eq!(audit["data"].as_array().unwrap().len(), 3, "{audit}");
}

macro_rules! on_each {
    ($($name:ident: $version:literal, $role:ident;)*) => {
        $(#[test]
        fn $name() {
            core($version, Role::$role);
        })*
    };
}

on_each! {
    postgresql_13_serves_a_superuser: 13, Superuser;
    postgresql_13_serves_an_owner: 13, Owner;
    postgresql_13_serves_a_role_that_creates_tables_only: 13, Tables;
    postgresql_15_serves_a_superuser: 15, Superuser;
    postgresql_15_serves_an_owner: 15, Owner;
    postgresql_15_serves_a_role_that_creates_tables_only: 15, Tables;
    postgresql_18_serves_a_superuser: 18, Superuser;
    postgresql_18_serves_an_owner: 18, Owner;
    postgresql_18_serves_a_role_that_creates_tables_only: 18, Tables;
}
