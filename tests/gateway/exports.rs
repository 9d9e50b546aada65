//! Routes in other gateways: what is exported is loaded into nginx, HAProxy and Caddy, and requests are sent through them.

mod behaviour;
mod hostile;
mod shapes;

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::App;
use crate::support::app::Somebody;
use crate::support::binary::{Run, mainstay};
use crate::support::gateway::Gateway;
use crate::support::upstream::{free_port, upstream};

/// The gateways that run here.
const RUNNING: [&str; 3] = ["nginx", "haproxy", "caddy"];

/// A server with routes, and the upstream that they lead to.
struct Setting {
    app: App,
    user: Somebody,
    upstream: SocketAddr,
}

impl Setting {
    fn new() -> Setting {
        let app = App::start();
        let user = app.operator();
        Setting { app, user, upstream: upstream() }
    }

    /// Makes a route. Its upstream is ours, at a path of the given name, so that an answer says which route was taken.
    fn route(&self, name: &str, path: &str, members: Value) {
        self.route_to(&format!("/{name}"), name, path, members);
    }

    /// The same with another path at the upstream.
    fn route_to(&self, base: &str, name: &str, path: &str, members: Value) {
        let mut route = json!({ "name": name, "path": path, "upstream": format!("http://{}{base}", self.upstream) });
        route.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.user.client.post("/api/routes", &route).expect(201);
    }

    /// What the command line makes of the routes.
    fn export(&self, arguments: &[&str]) -> Run {
        let words = [&["gateway", "export"], arguments].concat();
        mainstay(&words, &[("DATABASE_URL", &self.app.database.pairs())])
    }

    /// A gateway that has loaded them.
    fn gateway(&self, format: &str) -> Gateway {
        let port = free_port();
        let run = self.export(&["--format", format, "--port", &port.to_string()]);
        assert_eq!(run.code(), 0, "{}", run.said());
        Gateway::start(format, &run.text(), port)
    }

    /// What is noted about an export: route, field and message.
    fn notes(&self, format: &str) -> Vec<(String, String, String)> {
        let run = self.export(&["--format", format, "--json"]);
        let export: Value = serde_json::from_str(&run.text()).unwrap();
        let text = |note: &Value, name: &str| note[name].as_str().unwrap().to_owned();
        let notes = export["notes"].as_array().unwrap().iter();
        notes.map(|note| (text(note, "route"), text(note, "field"), text(note, "message"))).collect()
    }
}
