//! `mainstay db start|stop|status|reset|create`, as functions.

use std::fs;
use std::thread;

use mainstay::db::cluster::{self, State};
use postgres::NoTls;

use super::{connect, made, open, process};
use crate::support::{database, folder};

#[test]
fn a_server_started_for_the_background_outlives_every_mainstay_until_it_is_stopped() {
    let data = made();
    let status = cluster::start(&data, &mut |_| {}).unwrap();
    assert_eq!(status.state, State::Running);
    let guest = open(&data);
    assert!(!guest.is_owner());
    connect(&guest.address()).simple_query("SELECT 1").unwrap();
    guest.stop().unwrap();
    assert_eq!(process(&data), status.process);
    assert_eq!(cluster::start(&data, &mut |_| {}).unwrap().process, status.process);

    assert!(cluster::stop(&data, &mut |_| {}).unwrap());
    assert_eq!(process(&data), None);
    assert!(!cluster::stop(&data, &mut |_| {}).unwrap(), "it was stopped already");

    // The next server is a mainstay's own again.
    let owner = open(&data);
    assert!(owner.is_owner());
    owner.stop().unwrap();
}

#[test]
fn a_server_that_a_mainstay_owns_is_not_stopped_or_removed_behind_its_back() {
    let data = made();
    let owner = open(&data);
    let server = process(&data);
    let us = format!("(process {})", std::process::id());
    let refused = [cluster::stop(&data, &mut |_| {}).map(drop), cluster::reset(&data, &mut |_| {})];
    for result in refused {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(&us), "{message}");
    }
    assert_eq!(cluster::start(&data, &mut |_| {}).unwrap().process, server);
    assert!(owner.is_owner());
    owner.stop().unwrap();
    assert_eq!(process(&data), None);
}

#[test]
fn status_tells_what_there_is() {
    let nothing = folder("data");
    let status = cluster::status(&nothing).unwrap();
    assert_eq!((status.state, status.version, status.process), (State::Missing, None, None));
    assert!(fs::read_dir(&nothing).unwrap().next().is_none(), "asking must make nothing");

    let data = made();
    let stopped = cluster::status(&data).unwrap();
    assert_eq!((stopped.state, stopped.process), (State::Stopped, None));
    assert!(stopped.size_bytes > 10_000_000, "{stopped:?}");
    let cluster = open(&data);
    let running = cluster::status(&data).unwrap();
    assert_eq!((running.state, running.version), (State::Running, Some(cluster.version())));
    assert!(running.process.is_some() && running.socket.is_some_and(|socket| socket.is_dir()));
    cluster.stop().unwrap();
}

#[test]
fn reset_stops_the_server_and_removes_everything_and_the_next_start_makes_it_anew() {
    let data = made();
    cluster::start(&data, &mut |_| {}).unwrap();
    let old_password = fs::read(data.join("postgres/password")).unwrap();
    cluster::reset(&data, &mut |_| {}).unwrap();
    let status = cluster::status(&data).unwrap();
    assert_eq!((status.state, status.size_bytes), (State::Missing, 0));
    cluster::reset(&data, &mut |_| {}).unwrap();

    let new = open(&data);
    connect(&new.address()).simple_query("SELECT 1").unwrap();
    assert_ne!(fs::read(data.join("postgres/password")).unwrap(), old_password);
    new.stop().unwrap();
}

#[test]
fn a_missing_database_is_made_once_however_many_ask() {
    let existing = database();
    assert!(!cluster::create(&existing.address()).unwrap());
    let missing = existing.address().with_name(&format!("{} \"made\"", existing.address().name()));
    let made: Vec<bool> = thread::scope(|scope| {
        let create = || cluster::create(&missing).unwrap();
        [(); 4].map(|()| scope.spawn(create)).map(|thread| thread.join().unwrap()).into()
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    drop(missing.config.connect(NoTls).unwrap());
    assert!(!cluster::create(&missing).unwrap());
}

#[test]
fn who_may_not_make_databases_reads_what_to_do() {
    let existing = database();
    let user = format!("poor_{}", existing.address().name());
    existing.client().batch_execute(&format!("CREATE ROLE {user} LOGIN")).unwrap();
    let mut address = existing.address().with_name(&format!("{user}_wish"));
    address.config.user(&user);
    let message = cluster::create(&address).unwrap_err().to_string();
    assert!(message.contains(&format!("ALTER ROLE \"{user}\" CREATEDB")), "{message}");
    existing.client().batch_execute(&format!("DROP ROLE {user}")).unwrap();
}
