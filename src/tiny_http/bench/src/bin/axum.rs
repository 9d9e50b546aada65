//! Hello world on axum, with its defaults: `axum ADDRESS`.

use axum::{Router, routing::get};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("usage: axum ADDRESS")?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let app = Router::new().route("/", get(|| async { "hello world" }));
        Ok(axum::serve(listener, app).await?)
    })
}
