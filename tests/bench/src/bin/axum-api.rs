//! The same three endpoints as they are written with axum and deadpool-postgres: what `bench-api` measures mainstay against.
//!
//! `axum-api CONNECTIONS SOCKET-FOLDER DATABASE KEY USER`. Prints its port. The key is checked in memory, the statements and
//! the JSON are those of mainstay.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use bench::{Result, statements};
use deadpool_postgres::{ManagerConfig, Pool, RecyclingMethod};
use mainstay::sql::Json as JsonText;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_postgres::NoTls;
use uuid::Uuid;

struct App {
    pool: Pool,
    keys: RwLock<HashMap<[u8; 32], Arc<Value>>>,
    read: String,
    list: String,
    create: String,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [connections, folder, database, key, user] = &words[..] else {
        return Err("usage: axum-api CONNECTIONS SOCKET-FOLDER DATABASE KEY USER".into());
    };
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder).user("postgres").dbname(database).options("-c timezone=UTC");
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = deadpool_postgres::Manager::from_config(config, NoTls, manager);
    let pool = Pool::builder(manager).max_size(connections.parse()?).build()?;
    let actor = Arc::new(json!({ "user_id": user }));
    let keys = RwLock::new(HashMap::from([(Sha256::digest(key).into(), actor)]));
    let (read, list, create) = (statements::read("$1"), statements::list(), statements::create());
    let app = Arc::new(App { pool, keys, read, list, create });
    let router = Router::new()
        .route("/api/teams", get(list_teams).post(create_team))
        .route("/api/teams/{id}", get(read_team))
        .layer(middleware::from_fn_with_state(app.clone(), admit))
        .with_state(app);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        Ok(axum::serve(listener, router).await?)
    })
}

async fn admit(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let key = request.headers().get("X-API-Key").map(|key| <[u8; 32]>::from(Sha256::digest(key.as_bytes())));
    let caller = key.and_then(|key| app.keys.read().unwrap_or_else(|error| error.into_inner()).get(&key).cloned());
    let Some(caller) = caller else { return StatusCode::UNAUTHORIZED.into_response() };
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    let id = Uuid::now_v7().to_string().parse();
    response.headers_mut().extend(id.map(|id| (header::HeaderName::from_static("x-request-id"), id)));
    response
}

type Answer = std::result::Result<Response, Response>;

fn failed(error: impl std::fmt::Display) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}

fn shown(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn with_version(mut response: Response, version: i32) -> Response {
    response.headers_mut().extend(format!("\"{version}\"").parse().map(|tag| (header::ETAG, tag)));
    response
}

async fn read_team(State(app): State<Arc<App>>, Path(id): Path<Uuid>) -> Answer {
    let client = app.pool.get().await.map_err(failed)?;
    let statement = client.prepare_cached(&app.read).await.map_err(failed)?;
    match client.query_opt(&statement, &[&id]).await.map_err(failed)? {
        Some(row) => Ok(with_version(shown(StatusCode::OK, row.get(0)), row.get(1))),
        None => Err(StatusCode::NOT_FOUND.into_response()),
    }
}

async fn list_teams(State(app): State<Arc<App>>, Query(_): Query<HashMap<String, String>>) -> Answer {
    let client = app.pool.get().await.map_err(failed)?;
    let statement = client.prepare_cached(&app.list).await.map_err(failed)?;
    let rows = client.query(&statement, &[]).await.map_err(failed)?;
    let texts: Vec<&str> = rows.iter().take(20).map(|row| row.get(0)).collect();
    let last: Value = texts.last().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let page = json!({ "limit": 20, "next_cursor": last["id"] });
    Ok(shown(StatusCode::OK, format!("{{\"data\":[{}],\"page\":{page}}}", texts.join(","))))
}

async fn create_team(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Arc<Value>>,
    Json(mut body): Json<Value>,
) -> Answer {
    let is_text = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty() && text.len() <= 255);
    if !is_text("name") || !is_text("slug") {
        return Err(StatusCode::UNPROCESSABLE_ENTITY.into_response());
    }
    body["metadata"] = json!({});
    body["created_by"] = caller["user_id"].clone();
    let actor = json!({ "request_id": Uuid::now_v7(), "user_id": caller["user_id"] });
    let (actor, body) = (actor.to_string(), body.to_string());
    let client = app.pool.get().await.map_err(failed)?;
    let statement = client.prepare_cached(&app.create).await.map_err(failed)?;
    let row = client.query_one(&statement, &[&JsonText(&actor), &JsonText(&body)]).await.map_err(failed)?;
    Ok(with_version(shown(StatusCode::CREATED, row.get("object")), row.get("version")))
}
