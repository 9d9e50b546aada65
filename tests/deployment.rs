//! What is put on other machines: the unit, and what `make install` leaves where.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::folder;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a target of the Makefile on a folder of ours, with the binary that is built already.
fn make(target: &str, destination: &Path) {
    let mut make = Command::new("make");
    make.current_dir(project()).args(["--silent", target]);
    make.arg(format!("DESTDIR={}", destination.display()));
    make.arg(format!("RELEASE={}", env!("CARGO_BIN_EXE_mainstay")));
    // Another make may be running these tests.
    make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    let output = make.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All files below a folder, each with its rights.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            found.push(format!("{mode:o} /{}", path.strip_prefix(root).unwrap().display()));
        }
    }
    found.sort();
    found
}

#[test]
fn install_puts_four_files_in_place_and_uninstall_leaves_the_settings() {
    let destination = folder("destination");
    let settings = destination.join("etc/mainstay/mainstay.env");
    make("install", &destination);
    assert_eq!(
        files(&destination),
        [
            "640 /etc/mainstay/mainstay.env",
            "644 /usr/lib/systemd/system/mainstay.service",
            "644 /usr/share/doc/mainstay/DATABASE.md",
            "755 /usr/bin/mainstay",
        ]
    );
    fs::write(&settings, "PORT=8081\n").unwrap();
    make("install", &destination);
    assert_eq!(fs::read_to_string(&settings).unwrap(), "PORT=8081\n", "an upgrade must not change the settings");
    make("uninstall", &destination);
    assert_eq!(files(&destination), ["640 /etc/mainstay/mainstay.env"]);
}

#[test]
fn the_unit_names_what_install_puts_in_place_and_is_as_closed_as_promised() {
    let unit = fs::read_to_string(project().join("etc/mainstay.service")).unwrap();
    for line in [
        "ExecStart=/usr/bin/mainstay serve",
        "EnvironmentFile=-/etc/mainstay/mainstay.env",
        "Documentation=file:///usr/share/doc/mainstay/DATABASE.md",
        "Type=notify",
        "NotifyAccess=main",
        "WatchdogSec=30",
        "DynamicUser=yes",
        "StateDirectory=mainstay",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "SystemCallFilter=@system-service",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line} is not in the unit");
    }
}

#[test]
fn the_scripts_can_be_read_by_the_systems_shell() {
    for script in ["etc/setup-database.sh", "etc/install-postgresql"] {
        let output = Command::new("/bin/sh").arg("-n").arg(project().join(script)).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
