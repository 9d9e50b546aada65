//! `mainstay webhook listen`: a receiver for whoever wants to see what is sent.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tiny_http::{Request, Response, Server};

use super::{Arguments, Failure, Result, print, say};
use crate::config::{Kind, Value as Setting};
use crate::error::Error;
use crate::gateway::webhooks::{SEED_SECRET, signature};

const PORT_DEFAULT: u16 = 9000;
/// Bytes of a body that are read; mainstay sends at most a twentieth of that.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// How it answers.
struct Manners {
    secret: Vec<u8>,
    /// Failures among 1,000 answers.
    failures: u32,
    delay: Duration,
    is_json: bool,
}

/// Receives events until it is interrupted.
pub(super) fn listen(arguments: &Arguments) -> Result<ExitCode> {
    let port = match arguments.value("port") {
        Some(text) => text.parse().map_err(|_| Failure::Usage("--port must be a number from 0 to 65535".to_owned()))?,
        None => PORT_DEFAULT,
    };
    let manners = manners(arguments)?;
    let server = Server::http(("127.0.0.1", port)).map_err(|error| {
        Failure::Failed(Error::internal(format!("cannot listen on 127.0.0.1:{port}: {error}; --port takes another")))
    })?;
    let address = server.server_addr();
    say(&format!("listening on http://{address}; events signed with another secret are refused"));
    for request in server.incoming_requests() {
        if print(&receive(request, &manners)) != ExitCode::SUCCESS {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn manners(arguments: &Arguments) -> Result<Manners> {
    let secret = match arguments.value("secret") {
        Some(text) => signature::parse_secret(text)
            .ok_or_else(|| Failure::Usage("--secret must be whsec_ and 24 to 64 bytes in base64".to_owned()))?,
        None => SEED_SECRET.to_vec(),
    };
    let rate = match arguments.value("fail-rate").map(str::parse::<f64>) {
        None => 0.0,
        Some(Ok(rate)) if (0.0..=1.0).contains(&rate) => rate,
        Some(_) => return Err(Failure::Usage("--fail-rate must be a number from 0 to 1".to_owned())),
    };
    let delay = match arguments.value("delay").map(|text| Kind::Duration.parse(text)) {
        None => Duration::ZERO,
        Some(Ok(Setting::Duration(delay))) => delay,
        Some(_) => return Err(Failure::Usage("--delay must be a time like 500ms or 2s".to_owned())),
    };
    Ok(Manners { secret, failures: (rate * 1000.0) as u32, delay, is_json: arguments.has("json") })
}

/// Takes a request, answers it, and tells about it.
fn receive(mut request: Request, manners: &Manners) -> String {
    let mut bytes = Vec::new();
    let is_whole = request.as_reader().take(BODY_BYTES_MAX).read_to_end(&mut bytes).is_ok();
    let body = String::from_utf8_lossy(&bytes).into_owned();
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let checked = match is_whole {
        true => signature::verify(&manners.secret, &id, &timestamp, &header("webhook-signature"), &body),
        false => Err("the body did not come to its end"),
    };
    let status = match checked {
        Err(_) => 400,
        Ok(()) if is_unlucky(manners.failures) => 503,
        Ok(()) => 204,
    };
    std::thread::sleep(manners.delay);
    let is_answered = request.respond(Response::empty(status)).is_ok();
    let event: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let problem = checked.err();
    if manners.is_json {
        let line = json!({
            "id": id, "timestamp": timestamp, "event": event, "verified": problem.is_none(), "problem": problem,
            "status": status, "answered": is_answered,
        });
        return format!("{line}\n");
    }
    let kind = event["type"].as_str().unwrap_or("something that is no event");
    let verdict = problem.map_or("signature right".to_owned(), |problem| format!("refused: {problem}"));
    let data = serde_json::to_string_pretty(&event["data"]).unwrap_or_default();
    format!("{kind}  {id}  {verdict}, answered {status}\n{data}\n")
}

/// Whether this answer is one of so many failures among 1,000.
fn is_unlucky(failures: u32) -> bool {
    let mut bytes = [0; 4];
    // Without random numbers nothing fails.
    getrandom::fill(&mut bytes).is_ok() && u32::from_le_bytes(bytes) % 1000 < failures
}
