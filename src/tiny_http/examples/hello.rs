//! Hello world on as many threads as asked for: `cargo run --release --example hello -- 127.0.0.1:8080 4`.

use std::error::Error;
use std::sync::Arc;
use std::{env, thread};

use tiny_http::{Response, Server};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let threads: usize = args.next().map_or(Ok(4), |count| count.parse())?;

    let server = Arc::new(Server::http(address)?);
    let handlers: Vec<_> = (0..threads)
        .map(|_| {
            let server = server.clone();
            thread::spawn(move || {
                for request in server.incoming_requests() {
                    let _ = request.respond(Response::from_string("hello world"));
                }
            })
        })
        .collect();
    for handler in handlers {
        let _ = handler.join();
    }
    Ok(())
}
