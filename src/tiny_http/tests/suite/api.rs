//! Code written for tiny_http 0.12 works as its documentation says.

use crate::support::*;
use tiny_http::Limits;

#[test]
fn a_request_is_answered_and_the_connection_lives_on() {
    let running = echo(Limits::default());
    let mut client = running.client();
    client.send("POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let reply = client.reply();
    assert_eq!((reply.status, reply.text().as_str()), (200, "POST /a?b hello"));
    assert!(client.is_alive());
}
