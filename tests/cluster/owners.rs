//! Who owns the server, and what happens when the owner or the server dies.

use std::path::Path;
use std::sync::Barrier;
use std::thread;

use mainstay::db::cluster::{self, Cluster, State};
use postgres::NoTls;

use super::{PATIENCE, connect, kill, made, open, process};
use crate::support::folder;
use crate::support::other::{self, Other};
use crate::support::wait::wait_for;

/// Opens the cluster of a folder, says whether it is the owner, and stops when it is told to end.
#[test]
#[ignore = "a part for other tests"]
fn a_mainstay() {
    let Some(data) = other::part_folder() else { return };
    let cluster = open(&data);
    other::tell(if cluster.is_owner() { "owner" } else { "guest" });
    other::wait_for_end();
    cluster.stop().unwrap();
}

fn mainstay(data: &Path) -> Other {
    Other::play("cluster::owners::a_mainstay", data)
}

#[test]
fn a_server_that_is_killed_is_started_again_and_again_and_keeps_what_was_committed() {
    let data = made();
    let cluster = open(&data);
    let address = cluster.address();
    connect(&address).batch_execute("CREATE TABLE kept (id int)").unwrap();
    for round in 1..=3 {
        connect(&address).execute("INSERT INTO kept VALUES ($1)", &[&round]).unwrap();
        let server = process(&data).unwrap();
        kill("-KILL", server);
        let mut client = wait_for("the server is back", PATIENCE, || {
            // The killed one's processes answer for a moment.
            process(&data).filter(|process| *process != server)?;
            address.config.connect(NoTls).ok()
        });
        let row = client.query_one("SELECT count(*) FROM kept", &[]).unwrap();
        assert_eq!(row.get::<_, i64>(0), i64::from(round));
    }
    cluster.stop().unwrap();
    assert_eq!(process(&data), None, "a stopped cluster must stay stopped");
}

#[test]
fn a_server_whose_owner_let_go_of_it_is_found_and_stopped_by_the_next() {
    let data = made();
    drop(open(&data));
    let server = process(&data).expect("dropping a cluster leaves the server running");
    let next = open(&data);
    assert!(next.is_owner());
    assert_eq!(process(&data), Some(server));
    connect(&next.address()).simple_query("SELECT 1").unwrap();
    next.stop().unwrap();
    assert_eq!(process(&data), None);
}

#[test]
fn a_server_whose_mainstay_was_killed_is_found_watched_and_stopped_by_the_next() {
    let data = made();
    let mut killed = mainstay(&data);
    assert_eq!(killed.line(), "owner");
    let server = process(&data);
    killed.kill();

    let next = open(&data);
    assert!(next.is_owner());
    assert_eq!(process(&data), server);
    kill("-KILL", server.unwrap());
    wait_for("the server is back", PATIENCE, || process(&data).filter(|process| Some(*process) != server));
    next.stop().unwrap();
    assert_eq!(process(&data), None);
}

#[test]
fn a_cluster_opens_after_mainstay_and_server_were_both_killed() {
    let data = made();
    let mut killed = mainstay(&data);
    assert_eq!(killed.line(), "owner");
    let server = process(&data).unwrap();
    killed.kill();
    kill("-KILL", server);
    let next = open(&data);
    connect(&next.address()).simple_query("SELECT 1").unwrap();
    next.stop().unwrap();
}

#[test]
fn a_second_mainstay_uses_the_server_without_owning_it() {
    let data = made();
    let owner = open(&data);
    let mut guest = mainstay(&data);
    assert_eq!(guest.line(), "guest");
    let server = process(&data);
    guest.finish();
    assert_eq!(process(&data), server, "a guest must not stop the server");
    connect(&owner.address()).simple_query("SELECT 1").unwrap();
    owner.stop().unwrap();
}

#[test]
fn a_guest_that_still_needs_the_server_starts_it_again_when_its_owner_has_stopped_it() {
    let data = made();
    let mut owner = mainstay(&data);
    assert_eq!(owner.line(), "owner");
    let guest = open(&data);
    assert!(!guest.is_owner());
    owner.finish();
    wait_for("the guest is the owner", PATIENCE, || guest.is_owner().then_some(()));
    wait_for("the server is back", PATIENCE, || guest.address().config.connect(NoTls).ok());
    guest.stop().unwrap();
    assert_eq!(process(&data), None);
}

#[test]
fn of_many_that_make_the_cluster_at_once_one_does_and_all_use_it() {
    let data = folder("data");
    let mut others = [mainstay(&data), mainstay(&data), mainstay(&data)];
    let barrier = Barrier::new(2);
    let clusters: Vec<Cluster> = thread::scope(|scope| {
        let start = || {
            barrier.wait();
            open(&data)
        };
        [scope.spawn(start), scope.spawn(start)].map(|thread| thread.join().unwrap()).into()
    });
    let here = clusters.iter().filter(|cluster| cluster.is_owner()).count();
    let there = others.iter_mut().filter_map(|other| (other.line() == "owner").then_some(())).count();
    assert_eq!(here + there, 1);
    for cluster in &clusters {
        connect(&cluster.address()).simple_query("SELECT 1").unwrap();
    }
    // The owner goes first here or last: who is left takes over, and the last stops the server.
    clusters.into_iter().for_each(|cluster| cluster.stop().unwrap());
    others.into_iter().for_each(Other::finish);
    let status = cluster::status(&data).unwrap();
    assert_eq!(status.state, State::Stopped);
}

#[test]
fn ctrl_c_on_the_terminal_does_not_reach_the_server() {
    let data = made();
    let mut mainstay = mainstay(&data);
    assert_eq!(mainstay.line(), "owner");
    let group = |process: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(2).unwrap().to_owned()
    };
    let server = process(&data).unwrap();
    assert_eq!(group(server), server.to_string());
    assert_ne!(group(server), group(mainstay.child.id()));
    mainstay.finish();
}
