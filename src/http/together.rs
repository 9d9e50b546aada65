//! Requests that are answered together.
//!
//! Reads of single rows are short, and under load many of them wait at the same time. A thread that is about to read a row
//! takes the requests of the same client for other rows of the same kind that are there already, and one statement reads all
//! of their rows: one round trip and one connection instead of many. Nobody waits for company, and each request is admitted,
//! limited, counted and logged for itself. A client is whoever shows the same credentials: who was admitted with them is known,
//! so that no request waits for the admission of somebody else.

use std::iter;

use tiny_http::{Request, Server};
use uuid::Uuid;

use super::call::Call;
use super::credentials::{Credentials, credentials};
use super::endpoint::{Endpoint, Verb};
use super::reply::Reply;
use super::service::{Service, caught, is_away};
use super::visit::Visit;
use crate::error::{Error, Result};

/// Requests that are answered by one statement. If it takes long, it is no more than these that wait for it.
const TOGETHER_MAX: usize = 16;

/// Requests that came along with another, and what they are answered.
pub(super) type Company = Vec<(Visit, Result<Reply>)>;

impl Service {
    /// What a call is answered; and what others are that are there and like it, for `company`.
    pub(super) fn answer_together(
        &self,
        first: &mut Call<'_, '_>,
        server: Option<&Server>,
        company: &mut Company,
    ) -> Result<Reply> {
        let endpoint = first.endpoint;
        let mut visits = server.map(|server| self.others_like(first, server)).unwrap_or_default();
        if visits.is_empty() {
            return (endpoint.handler)(first);
        }
        let paths: Vec<String> = visits.iter().map(|visit| visit.request.target().to_owned()).collect();
        let calls = visits.iter_mut().zip(&paths);
        let calls = calls.map(|(visit, path)| caught(|| self.open_one_more(visit, endpoint, path)));
        let mut calls: Vec<Result<Call<'_, '_>>> = calls.collect();
        let found = find_rows(first, &mut calls);
        let answer = |call: Result<Call<'_, '_>>| {
            let mut call = call?;
            found.as_ref().map_err(Error::for_another)?;
            caught(|| (endpoint.handler)(&mut call))
        };
        let replies: Vec<Result<Reply>> = calls.into_iter().map(answer).collect();
        company.extend(visits.into_iter().zip(replies));
        found?;
        (endpoint.handler)(first)
    }

    /// Requests that are there, and are for the same as a call but for the id.
    fn others_like(&self, first: &Call<'_, '_>, server: &Server) -> Vec<Visit> {
        let is_alone = first.endpoint.together.is_none() || !first.query.is_empty() || server.num_connections() < 2;
        let Some((collection, _)) = first.path.rsplit_once('/').filter(|_| !is_alone && first.id().is_ok()) else {
            return Vec::new();
        };
        let whose = first.request().and_then(|request| credentials(request).ok()?);
        let next = || server.try_recv_if(|request| is_like(request, collection, whose.as_ref())).ok()?;
        iter::from_fn(next).take(TOGETHER_MAX - 1).map(|request| self.arrive(request)).collect()
    }

    /// Admits the caller of another request for the same endpoint.
    fn open_one_more<'a>(
        &'a self,
        visit: &'a mut Visit,
        endpoint: &'a Endpoint,
        path: &'a str,
    ) -> Result<Call<'a, 'a>> {
        visit.exchange.endpoint = endpoint.label;
        visit.exchange.place = Some(endpoint.place);
        let (endpoint, values) = self.router().find(Some(Verb::Get), path)?;
        self.open(visit, endpoint, path, values, "")
    }
}

/// Reads the rows of all calls that were admitted. If the database is away, or takes too long, so it would for each of them,
/// one after the other, and that is the error; whatever else goes wrong may be the fault of one row, so each reads its own.
fn find_rows(first: &mut Call<'_, '_>, others: &mut [Result<Call<'_, '_>>]) -> Result<()> {
    let Some(read) = &first.endpoint.together else { return Ok(()) };
    // Who a caller is may have changed since the last was admitted.
    let guard = first.guard();
    let mut others: Vec<&mut Call<'_, '_>> = others.iter_mut().flatten().filter(|call| call.guard() == guard).collect();
    let ids: Vec<Uuid> = iter::once(first.id()).chain(others.iter().map(|call| call.id())).collect::<Result<_>>()?;
    let mut rows = match caught(|| read(first, &ids)) {
        Ok(rows) => rows.into_iter(),
        Err(error) if is_away(&error) => return Err(error),
        Err(_) => return Ok(()),
    };
    first.found = rows.next();
    for (call, row) in others.iter_mut().zip(rows) {
        call.found = Some(row);
        call.timing.pool.set(first.timing.pool.get());
        call.timing.database.set(first.timing.database.get());
    }
    Ok(())
}

/// Whether a request reads one row of a collection, and shows the same credentials.
fn is_like(request: &Request, collection: &str, whose: Option<&Credentials<'_>>) -> bool {
    let id = request.target().strip_prefix(collection).and_then(|rest| rest.strip_prefix('/'));
    let is_theirs = |whose: &Credentials<'_>| credentials(request).ok().flatten().is_some_and(|shown| shown.are(whose));
    Verb::of(request.method()) == Some(Verb::Get)
        && id.is_some_and(|id| Uuid::try_parse(id).is_ok())
        && whose.is_some_and(is_theirs)
}
