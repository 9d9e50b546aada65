//! Folders in every state that a crash, another program or a person may leave them in.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use mainstay::db::Binaries;

use super::{PATIENCE, connect, kill, made, open, process, refusal};
use crate::support::folder;
use crate::support::other::Other;
use crate::support::wait::wait_for;

#[test]
fn a_cluster_of_another_major_version_is_refused_with_both_versions() {
    let data = made();
    let file = data.join("postgres/data/PG_VERSION");
    fs::write(&file, "9.6\n").unwrap();
    let message = refusal(&data);
    let ours = Binaries::find().unwrap().version;
    assert!(message.contains("made by PostgreSQL 9,") && message.contains(&format!("PostgreSQL {ours} ")), "{message}");
    fs::write(&file, "").unwrap();
    let message = refusal(&data);
    assert!(message.contains("PG_VERSION holds \"\""), "{message}");
    fs::write(&file, format!("{ours}\n")).unwrap();
    open(&data).stop().unwrap();
}

#[test]
fn a_folder_with_something_else_in_it_is_refused_and_left_as_it_is() {
    let in_home = folder("data");
    fs::create_dir(in_home.join("postgres")).unwrap();
    fs::write(in_home.join("postgres/holiday.jpg"), "").unwrap();
    let message = refusal(&in_home);
    assert!(message.contains("holds \"holiday.jpg\"") && message.contains("MAINSTAY_DATA"), "{message}");
    assert_eq!(fs::read_dir(in_home.join("postgres")).unwrap().count(), 1);

    let in_data = folder("data");
    fs::create_dir_all(in_data.join("postgres/data")).unwrap();
    fs::write(in_data.join("postgres/data/holiday.jpg"), "").unwrap();
    let message = refusal(&in_data);
    assert!(message.contains("no PostgreSQL cluster"), "{message}");

    let cluster = folder("data");
    fs::create_dir(cluster.join("postgres")).unwrap();
    fs::write(cluster.join("postgres/PG_VERSION"), "15\n").unwrap();
    let message = refusal(&cluster);
    assert!(message.contains("a PostgreSQL cluster that mainstay has not made"), "{message}");

    let file = folder("data");
    fs::write(file.join("postgres"), "").unwrap();
    let message = refusal(&file);
    assert!(message.contains("is a file"), "{message}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_reason() {
    let data = folder("data");
    fs::write(data.join("file"), "").unwrap();
    let message = refusal(&data.join("file/below"));
    assert!(message.contains("file/below/postgres") && message.contains("MAINSTAY_DATA"), "{message}");
}

#[test]
fn a_half_made_cluster_is_made_anew() {
    let data = folder("data");
    let mut killed = Other::play("cluster::owners::a_mainstay", &data);
    wait_for("initdb has begun", PATIENCE, || {
        let mut entries = fs::read_dir(data.join("postgres")).ok()?.flatten();
        entries.find(|entry| entry.path().join("PG_VERSION").exists())
    });
    killed.kill();
    assert!(!data.join("postgres/data").exists(), "the test came too late");
    let cluster = open(&data);
    connect(&cluster.address()).simple_query("SELECT 1").unwrap();
    cluster.stop().unwrap();
}

#[test]
fn what_people_put_beside_a_cluster_stays_there() {
    let data = made();
    fs::create_dir(data.join("postgres/data.backup")).unwrap();
    fs::write(data.join("postgres/data.backup/PG_VERSION"), "15\n").unwrap();
    open(&data).stop().unwrap();
    assert!(data.join("postgres/data.backup/PG_VERSION").exists());
}

#[test]
fn a_stale_pid_file_keeps_nobody_from_starting() {
    let data = made();
    let file = data.join("postgres/data/postmaster.pid");
    // A number that another process has by now; PostgreSQL alone would refuse to start.
    let mut sleeper = Binaries::find().unwrap().command("/bin/sh");
    let mut sleeper = sleeper.args(["-c", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let socket = data.join("postgres/socket");
    let ready = format!("{}\n{}\n1\n5432\n{}\n\n1 1\nready\n", sleeper.id(), data.display(), socket.display());
    for text in [&*ready, "", "4194304\n", "nonsense\n"] {
        fs::write(&file, text).unwrap();
        assert_eq!(process(&data), None);
        let cluster = open(&data);
        connect(&cluster.address()).simple_query("SELECT 1").unwrap();
        cluster.stop().unwrap();
    }
    drop(sleeper.stdin.take());
    sleeper.wait().unwrap();
}

#[test]
fn a_start_that_fails_shows_the_end_of_the_log() {
    let data = made();
    let file = data.join("postgres/data/postgresql.conf");
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{settings}\nshared_buffers = 'plenty'\n")).unwrap();
    let message = refusal(&data);
    assert!(message.contains("did not start") && message.contains("\"plenty\""), "{message}");
    fs::write(&file, settings).unwrap();
    open(&data).stop().unwrap();
}

#[test]
fn a_lost_password_file_is_named() {
    let data = made();
    fs::remove_file(data.join("postgres/password")).unwrap();
    let message = refusal(&data);
    assert!(message.contains("password is missing"), "{message}");
    assert_eq!(process(&data), None);
}

#[test]
fn a_folder_with_a_long_or_strange_path_will_do() {
    let long = "long".repeat(30);
    for name in [&*long, "a, 'b' \"c\" $d grün"] {
        let data = folder(name);
        copy_made(&data);
        let cluster = open(&data);
        connect(&cluster.address()).simple_query("SELECT 1").unwrap();
        // Somebody else must find it there too.
        kill("-KILL", process(&data).unwrap());
        let other = open(&data);
        wait_for("the server is back", PATIENCE, || other.address().config.connect(postgres::NoTls).ok());
        drop(other);
        cluster.stop().unwrap();
    }
}

fn copy_made(data: &Path) {
    fs::rename(made().join("postgres"), data.join("postgres")).unwrap();
}
