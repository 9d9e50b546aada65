//! The real server in the test's process, on a free port and a database of its own, and clients by role.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mainstay::config::{Config, Variables};
use mainstay::serve::Running;
use serde_json::{Value, json};

use super::client::Client;
use super::database::{Database, migrated};
use super::folder::folder;
use super::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server, until it is dropped.
pub struct App {
    pub database: Database,
    running: Option<Running>,
    variables: Vec<(String, String)>,
}

/// Somebody with a role, and their API key.
pub struct Somebody {
    pub id: String,
    pub email: String,
    pub key: String,
    pub client: Client,
}

impl App {
    /// A server whose limits do not get in the way, ready.
    pub fn start() -> App {
        App::start_with(&[])
    }

    /// A server with other settings.
    pub fn start_with(variables: &[(&str, &str)]) -> App {
        let data = folder("data");
        let all = [
            ("PORT", "0"),
            ("RATE_LIMIT", "0"),
            ("RATE_LIMIT_LOGIN", "0"),
            ("BCRYPT_ROUNDS", "4"),
            ("MAINSTAY_DATA", data.to_str().unwrap()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let mut app = App { database: migrated(), running: None, variables: all };
        app.set(variables);
        app.run();
        app
    }

    /// Changes settings, for the next start.
    pub fn set(&mut self, variables: &[(&str, &str)]) {
        for (name, value) in variables {
            self.variables.retain(|(known, _)| known != name);
            self.variables.push(((*name).to_owned(), (*value).to_owned()));
        }
    }

    fn run(&mut self) {
        let running = self.launch();
        self.running = Some(running);
        self.wait_until_ready();
    }

    fn launch(&self) -> Running {
        let variables = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let config = Config::from(&Variables::of(variables), |path| std::fs::read_to_string(path)).unwrap();
        Running::start(&config, &self.database.address()).unwrap()
    }

    /// Where it keeps files of its own.
    pub fn data(&self) -> &Path {
        self.variables.iter().find(|(name, _)| name == "MAINSTAY_DATA").map(|(_, value)| Path::new(value)).unwrap()
    }

    /// What one of its settings is.
    pub fn variable(&self, name: &str) -> String {
        self.variables.iter().find(|(known, _)| known == name).unwrap().1.clone()
    }

    /// What the program needs for being this server.
    pub fn variables_of_the_binary(&self) -> Vec<(String, String)> {
        let database = ("DATABASE_URL".to_owned(), self.database.pairs());
        self.variables.iter().cloned().chain([database]).collect()
    }

    /// Another server on the same database, with the same settings.
    pub fn another(&self) -> Another {
        let running = self.launch();
        let another = Another { address: running.address().unwrap(), running: Some(running) };
        wait_until_ready(another.address);
        another
    }

    /// Stops the server and starts it again, on the same database.
    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(Duration::from_secs(10));
        }
    }

    pub fn wait_until_ready(&self) {
        wait_until_ready(self.address());
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.running().address().unwrap()
    }

    /// A client without credentials.
    pub fn nobody(&self) -> Client {
        Client::new(self.address())
    }

    /// A new administrator, with a key that may do everything.
    pub fn admin(&self) -> Somebody {
        self.somebody("ADMIN", &["admin"])
    }

    /// A new user, with a key that may do what users may.
    pub fn user(&self) -> Somebody {
        self.somebody("USER", &["read:*", "write:*"])
    }

    /// A new viewer, with a key that may do what viewers may.
    pub fn viewer(&self) -> Somebody {
        self.somebody("VIEWER", &["read:*", "write:*"])
    }

    /// A new machine that was granted the routes, with a key that may do what it may.
    pub fn operator(&self) -> Somebody {
        self.machine(&["write:routes"])
    }

    /// A new machine with grants, and a key that may do what it may.
    pub fn machine(&self, grants: &[&str]) -> Somebody {
        let machine = self.user();
        let change = "UPDATE identity.users SET kind = 'SERVICE', grants = $2 WHERE id = $1::text::uuid";
        self.database.client().execute(change, &[&machine.id, &grants]).unwrap();
        machine
    }

    /// A new active user with a role, and a key with permissions.
    pub fn somebody(&self, role: &str, permissions: &[&str]) -> Somebody {
        const USER: &str = "INSERT INTO identity.users (email, name, role, status)
            SELECT lower($1) || gen_random_uuid() || '@example.org', $1, $1, 'ACTIVE'
            RETURNING id, email";
        let mut client = self.database.client();
        let row = client.query_one(USER, &[&role]).unwrap();
        let (id, email): (uuid::Uuid, String) = (row.get(0), row.get(1));
        let key = "SELECT identity.generate_api_key('test', $1::uuid::text, to_jsonb($2::text[])) ->> 'api_key'";
        let key: String = client.query_one(key, &[&id, &permissions]).unwrap().get(0);
        let client = self.nobody().with("X-API-Key", &key);
        Somebody { id: id.to_string(), email, key, client }
    }

    /// A new active user who logs in: the client shows an access token. The password is `right password`.
    pub fn logged_in(&self, role: &str) -> Somebody {
        let admin = self.admin();
        let email = format!("{}@example.org", uuid::Uuid::now_v7());
        let user = json!({ "email": email, "password": "right password", "role": role });
        let user = admin.client.post("/api/users", &user).expect(201).json();
        let login = self.login(&email, "right password");
        let client = self.nobody().with("Authorization", &format!("Bearer {}", text(&login["access_token"])));
        Somebody { id: text(&user["id"]), email, key: text(&login["refresh_token"]), client }
    }

    /// What a login answers.
    pub fn login(&self, email: &str, password: &str) -> Value {
        let credentials = json!({ "email": email, "password": password });
        self.nobody().post("/api/auth/login", &credentials).expect(200).json()
    }
}

/// A second server.
pub struct Another {
    running: Option<Running>,
    address: SocketAddr,
}

impl Another {
    /// The same caller, at this server.
    pub fn client(&self, client: &Client) -> Client {
        client.at(self.address)
    }
}

impl Drop for Another {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(Duration::from_secs(1));
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(Duration::from_secs(1));
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.running.as_ref().map(Running::address))
    }
}

fn wait_until_ready(address: SocketAddr) {
    let client = Client::new(address);
    wait_for("the server is ready", PATIENCE, || (client.get("/ready").status == 200).then_some(()));
}

/// A string in JSON.
/// Makes somebody a member of somebody else's team: invited, and accepted. Answers the membership.
#[track_caller]
pub fn join(owner: &Somebody, team: &Value, member: &Somebody, role: &str) -> String {
    let body = json!({ "team_id": team, "user_id": member.id, "role": role });
    let id = text(&owner.client.post("/api/team-members", &body).expect(201).json()["id"]);
    member.client.post(&format!("/api/team-members/{id}/accept"), &json!({})).expect(204);
    id
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}
