//! The same requests to this crate and to the published one, answered by the same program: the answers agree, but for
//! the improvements that have a name here.

use crate::cases::*;
use crate::support::*;
use crate::{ours, published};

/// What came of the requests of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    replies: Vec<Reply>,
    /// Whether the connection takes another request after these.
    lives: bool,
}

/// A difference that is meant.
struct Improvement {
    name: &'static str,
    /// What the published crate does, and why this one does not.
    why: &'static str,
    /// Makes this crate's outcome of the published crate's.
    improve: fn(&mut Outcome),
}

impl Case {
    /// Sends the requests to a server and tells what came of them.
    fn outcome(&self, address: std::net::SocketAddr) -> Outcome {
        let mut client = Client::connect(address);
        let all = self.requests.concat();
        let first = if self.waits { all.find("\r\n\r\n").unwrap() + 4 } else { all.len() };
        client.send(&all[..first]);
        let mut replies = Vec::new();
        for request in &self.requests {
            while let Ok(mut reply) = client.try_reply(request.starts_with("HEAD ")) {
                for (name, value) in &mut reply.headers {
                    if name == "date" && value.len() == DATE.len() && value != DATE {
                        *value = "now".to_owned();
                    }
                }
                reply.headers.sort_by(|(one, _), (two, _)| one.cmp(two));
                let is_interim = reply.status == 100;
                replies.push(reply);
                if !is_interim {
                    break;
                }
                client.send_anyway(&all[first..]);
            }
        }
        Outcome { replies, lives: client.is_alive() }
    }
}

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

impl Outcome {
    fn last(&mut self) -> &mut Reply {
        self.replies.last_mut().unwrap()
    }

    fn close(&mut self) {
        self.lives = false;
        self.last().set("connection", "close");
    }

    fn set_all(&mut self, name: &str, value: &str) {
        self.replies.iter_mut().for_each(|reply| reply.set(name, value));
    }
}

/// The reply to a request whose handler answers with a text.
fn text(body: &str) -> Reply {
    let length = body.len().to_string();
    let headers = [
        ("content-length", length.as_str()),
        ("content-type", "text/plain; charset=UTF-8"),
        ("date", "now"),
        ("server", "tiny-http (Rust)"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Reply { status: 200, version: "HTTP/1.1".to_owned(), headers, body: body.into() }
}

impl Reply {
    fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        let place = self.headers.partition_point(|(field, _)| field.as_str() < name);
        self.headers.insert(place, (name.to_owned(), value.to_owned()));
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(field, _)| field != name);
    }
}

const IMPROVEMENTS: &[Improvement] = &[
    Improvement {
        name: "close is said",
        why: "0.12.0 closes without a word; a client that is told does not try its next request here.",
        improve: |outcome| outcome.last().set("connection", "close"),
    },
    Improvement {
        name: "keep-alive is said",
        why: "0.12.0 does not tell a client of HTTP/1.0 that the connection is kept, so the client must close it.",
        improve: |outcome| outcome.set_all("connection", "keep-alive"),
    },
    Improvement {
        name: "no length where no body can be",
        why: "0.12.0 sends Content-Length with 1xx and 204, which RFC 9110 forbids, and a wrong one with 304.",
        improve: |outcome| outcome.last().remove("content-length"),
    },
    Improvement {
        name: "no coding where no body can be",
        why: "0.12.0 sends Transfer-Encoding with a 304 of unknown length; nothing is encoded there.",
        improve: |outcome| outcome.last().remove("transfer-encoding"),
    },
    Improvement {
        name: "unknown length ends with the connection",
        why: "0.12.0 reads the whole body into memory to find its length when it cannot send chunks.",
        improve: |outcome| {
            outcome.last().remove("content-length");
            outcome.close();
        },
    },
    Improvement {
        name: "the length is not looked for",
        why: "0.12.0 reads the whole body to find its length even when none of it is sent, as after HEAD.",
        improve: |outcome| outcome.last().remove("content-length"),
    },
    Improvement {
        name: "the length is kept to",
        why: "0.12.0 sends more bytes than its Content-Length says, and the client takes the rest for the next reply.",
        improve: |outcome| outcome.lives = true,
    },
    Improvement {
        name: "a refused upgrade keeps the connection",
        why: "0.12.0 closes after a request with Connection: upgrade even when it was answered normally.",
        improve: |outcome| outcome.lives = true,
    },
    Improvement {
        name: "every Connection header counts",
        why: "0.12.0 looks at the first Connection header alone and so overlooks a close in the second.",
        improve: Outcome::close,
    },
    Improvement {
        name: "an empty line before a request is skipped",
        why: "0.12.0 answers 400 to the line break that some clients send after a body; RFC 9112 wants it ignored.",
        improve: |outcome| {
            outcome.lives = true;
            *outcome.last() = text("hello wörld");
        },
    },
    Improvement {
        name: "trailers are skipped",
        why: "0.12.0 fails to read a chunked body that ends with trailers; they are part of RFC 9112.",
        improve: |outcome| {
            outcome.lives = true;
            *outcome.last() = text("hello");
        },
    },
    Improvement {
        name: "unread chunks are skipped",
        why: "0.12.0 takes the unread rest of a chunked body for the next request.",
        improve: |outcome| outcome.lives = true,
    },
    Improvement {
        name: "100 has no headers",
        why: "0.12.0 sends headers of a final reply, a Content-Length among them, with its 100 Continue.",
        improve: |outcome| outcome.replies[0].headers.clear(),
    },
    Improvement {
        name: "100 is not sent needlessly",
        why: "0.12.0 says to continue when there is no body or the body is here already.",
        improve: |outcome| outcome.replies.retain(|reply| reply.status != 100),
    },
    Improvement {
        name: "HTTP/1.0 expects nothing",
        why: "0.12.0 sends 100 Continue to clients of HTTP/1.0, which do not know it; RFC 9110 forbids it.",
        improve: |outcome| outcome.replies.retain(|reply| reply.status != 100),
    },
    Improvement {
        name: "a body nobody asked for is not waited for",
        why: "0.12.0 waits for a body after its final reply although the client, never told to continue, may not send it.",
        improve: Outcome::close,
    },
    Improvement {
        name: "a refusal says why",
        why: "0.12.0 refuses an unknown expectation without a reason for those who must find out.",
        improve: |outcome| {
            outcome.last().body = b"only 100-continue can be expected\n".to_vec();
            outcome.last().set("content-length", "34");
            outcome.last().set("content-type", "text/plain; charset=UTF-8");
        },
    },
];

/// Runs the cases against both crates.
fn compare(cases: &[Case]) {
    let (path, _) = temporary_file(&b"a file's content\n".repeat(6_000));
    let mut problems = Vec::new();
    for case in cases {
        // Each case has servers of its own, because what a request leaves behind may hang the published one.
        let ours = case.outcome(ours::site::Site::start(&path).address);
        let published = case.outcome(published::site::Site::start(&path).address);
        let mut expected = published.clone();
        for name in case.improvements {
            let before = expected.clone();
            let improvement = IMPROVEMENTS.iter().find(|improvement| improvement.name == *name).unwrap();
            (improvement.improve)(&mut expected);
            if expected == before {
                problems.push(format!("{}: no longer occurs: {name}: {}", case.what, improvement.why));
            }
        }
        if ours != expected {
            problems.push(format!(
                "{}:\n ours      {ours:?}\n expected  {expected:?}\n published {published:?}",
                case.what
            ));
        }
    }
    std::fs::remove_file(path).unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn request_lines_are_understood_alike() {
    compare(&request_lines());
}

#[test]
fn request_headers_are_understood_alike() {
    compare(&request_headers());
}

#[test]
fn bodies_are_understood_alike() {
    compare(&bodies());
}

#[test]
fn expectations_are_met_alike() {
    compare(&expectations());
}

#[test]
fn responses_are_sent_alike() {
    compare(&responses());
}

#[test]
fn responses_to_head_and_old_clients_are_sent_alike() {
    compare(&responses_to_head_and_old_clients());
}

#[test]
fn connections_live_alike() {
    compare(&connections());
}

#[test]
fn every_improvement_is_seen_in_a_case() {
    let cases = [
        request_lines(),
        request_headers(),
        bodies(),
        expectations(),
        responses(),
        responses_to_head_and_old_clients(),
        connections(),
    ]
    .concat();
    assert!(cases.len() >= 60);
    for improvement in IMPROVEMENTS {
        let is_seen = cases.iter().any(|case| case.improvements.contains(&improvement.name));
        assert!(is_seen, "{} is in no case", improvement.name);
    }
}
