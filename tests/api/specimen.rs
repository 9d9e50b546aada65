//! A resource of the tests' own, with a field of every kind, served by the engine as any other.
//!
//! What the resources of mainstay happen not to have, such as a filter on a number or the duty to name a version, is
//! shown on this one.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mainstay::config::{Config, Variables};
use mainstay::db::Database;
use mainstay::fields::{Field, Kind};
use mainstay::fields::{boolean, choice, inet, integer, json, list, object, record, set, text, timestamp, uuid};
use mainstay::http::{
    Access, Caller, Cors, Credential, Permission, Rates, Role, Service, ServiceOptions, batch, get, post,
};
use mainstay::resource::{Resource, Rule};
use mainstay::sql::Query;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::migrated;

const TABLE: &str = "
    CREATE SCHEMA trial;
    CREATE TABLE trial.specimens (
        id uuid PRIMARY KEY DEFAULT ops.uuid_v7(),
        name text NOT NULL,
        count integer,
        size bigint NOT NULL DEFAULT 0,
        is_alive boolean,
        found_at timestamptz,
        owner uuid,
        address inet,
        color text,
        days text[],
        tags text[],
        about jsonb NOT NULL DEFAULT '{}',
        shape jsonb,
        parts jsonb,
        anything jsonb,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT specimens_size_is_one_of_a_kind EXCLUDE (size WITH =) WHERE (size > 0) DEFERRABLE INITIALLY DEFERRED
    );
    CREATE TRIGGER touch BEFORE UPDATE ON trial.specimens FOR EACH ROW EXECUTE FUNCTION ops.touch();";

const RULES: &[Rule] = &[Rule::new("specimens_size_is_one_of_a_kind", "size", "is another specimen's")];

const COLUMNS: &str = "id, name, count, size, is_alive, found_at, owner, address, color, days, tags, about, shape, parts, \
     anything, version, created_at, updated_at";
const WRITTEN: &str =
    "name, count, size, is_alive, found_at, owner, address, color, days, tags, about, shape, parts, anything";

/// A server with this resource, until it is dropped.
pub struct Specimens {
    pub client: Client,
    server: Arc<tiny_http::Server>,
    threads: Vec<JoinHandle<()>>,
    service: Arc<Service>,
    pub database: crate::support::database::Database,
}

impl Specimens {
    pub fn serve() -> Specimens {
        Specimens::serve_with(&[])
    }

    pub fn serve_with(variables: &[(&str, &str)]) -> Specimens {
        let database = migrated();
        database.client().batch_execute(TABLE).unwrap();
        let config = Config::from(&Variables::of(variables.iter().copied()), |path| std::fs::read_to_string(path));
        let pools = Database::open(&config.unwrap(), &database.address()).unwrap();
        let caller = Arc::new(Caller {
            user_id: Uuid::now_v7(),
            role: Role::Admin,
            grants: Vec::new(),
            credential: Credential::Session { id: Uuid::now_v7() },
            expires_at: None,
        });
        let mut endpoints = specimens().endpoints();
        endpoints.push(batch::endpoint());
        endpoints.push(get("/api/panic", Access::Public, |_| panic!("the secret is 42")));
        endpoints.push(post("/api/mistake", Access::SignedIn, |call| {
            let query = Query { name: "mistake", text: "SELECT * FROM trial.specimens WHERE secret = 42" };
            call.read(|statements| statements.one(&query, &[]))?;
            unreachable!("there is no such column")
        }));
        let service = Service::new(ServiceOptions {
            memory: Default::default(),
            database: pools,
            endpoints,
            admission: Box::new(move |_, _| Ok(caller.clone())),
            rates: Rates::default(),
            proxies: mainstay::config::Networks::default(),
            cors: Cors::default(),
            logs_json: false,
            observer: None,
        });
        let service = Arc::new(service.unwrap());
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let handle = |_| {
            let (server, service) = (server.clone(), service.clone());
            thread::spawn(move || service.serve(&server))
        };
        let threads = (0..8).map(handle).collect();
        let client = Client::new(server.server_addr().to_ip().unwrap()).with("Authorization", "Bearer of.no.matter");
        Specimens { client, server, threads, service, database }
    }

    /// Makes a specimen, and answers its path.
    pub fn make(&self, body: &Value) -> String {
        self.client.post("/api/specimens", body).expect(201).header("Location").unwrap().to_owned()
    }

    /// How many statements have read specimens.
    pub fn reads(&self) -> u64 {
        let statements = self.service.database().statements().snapshot();
        let reads = statements.iter().find(|(name, _)| name == "trial/specimens/select");
        reads.map_or(0, |(_, times)| times.count)
    }

    /// The names of those that a query string finds, in order.
    #[track_caller]
    pub fn names(&self, query: &str) -> Vec<String> {
        super::column(&self.client.get(&format!("/api/specimens?{query}")).expect(200).json(), "name")
    }
}

impl Drop for Specimens {
    fn drop(&mut self) {
        self.server.shutdown(Duration::from_secs(1));
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn fields() -> Vec<Field> {
    let mut parts = json("parts");
    parts.kind = Kind::Records { fields: vec![text("name").required(), integer("weight").range(1, 9)], max: 3 };
    vec![
        text("name").required().max(20_000),
        integer("count").range(0, 1000).unit("pieces"),
        integer("size").range(i64::MIN, i64::MAX).default(0),
        boolean("is_alive"),
        timestamp("found_at"),
        uuid("owner"),
        inet("address"),
        choice("color", &["red", "green"]),
        set("days", &["mo", "tu", "we"]),
        list("tags", text("").min(1).max(10), 3),
        object("about").default(json!({})),
        record("shape", vec![integer("edges").required().range(3, 9), text("word")]),
        parts,
        json("anything"),
    ]
}

fn specimens() -> Resource {
    let statement = |name, text: String| Query { name, text: Box::leak(text.into_boxed_str()) };
    let own = WRITTEN.split(", ").map(|name| format!("new.{name}")).collect::<Vec<_>>().join(", ");
    let populate = "FROM ops.actor($1), jsonb_populate_record(NULL::trial.specimens, $2) AS new";
    Resource {
        fields: fields(),
        filters: &[
            "name", "count", "size", "is_alive", "found_at", "owner", "address", "color", "days", "tags", "about",
            "shape", "anything",
        ],
        sorts: &["name", "size"],
        insert: Some(statement(
            "trial/specimens/insert",
            format!("INSERT INTO trial.specimens ({WRITTEN}) SELECT {own} {populate} RETURNING {COLUMNS}"),
        )),
        update: Some(statement(
            "trial/specimens/update",
            format!(
                "UPDATE trial.specimens AS s SET ({WRITTEN}) = (SELECT {own} FROM jsonb_populate_record(s, $3) AS new) \
                 FROM ops.actor($1) WHERE s.id = ANY ($2) AND ($4::integer IS NULL OR s.version = $4) RETURNING {COLUMNS}"
            ),
        )),
        delete: Some(statement(
            "trial/specimens/delete",
            "DELETE FROM trial.specimens AS s USING ops.actor($1) WHERE s.id = ANY ($2) \
             AND ($3::integer IS NULL OR s.version = $3) RETURNING s.id"
                .to_owned(),
        )),
        needs_match: true,
        rules: RULES,
        ..Resource::new(
            "trial.specimens",
            "specimens",
            "specimen",
            statement("trial/specimens/select", format!("SELECT {COLUMNS} FROM trial.specimens")),
            Permission::new("read:specimens", Role::Viewer),
            Permission::new("write:specimens", Role::User),
        )
    }
}
