//! Hello world on this crate: `ours ADDRESS THREADS`.

use std::error::Error;
use std::sync::Arc;
use std::{env, thread};

use tiny_http::{Response, Server};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut args = env::args().skip(1);
    let address = args.next().ok_or("usage: ours ADDRESS THREADS")?;
    let threads: usize = args.next().ok_or("usage: ours ADDRESS THREADS")?.parse()?;
    let server = Arc::new(Server::http(address)?);
    let handle = |server: Arc<Server>| {
        for request in server.incoming_requests() {
            let _ = request.respond(Response::from_string("hello world"));
        }
    };
    let threads: Vec<_> =
        (0..threads).map(|_| server.clone()).map(|server| thread::spawn(move || handle(server))).collect();
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}
