//! Where webhooks may not lead: inside, whatever the address looks like.

use std::net::IpAddr;

use mainstay::outgoing::Reach;
use serde_json::json;

use super::{Receiver, delivery_in, make_team, start_with, webhook};
use crate::support::app::text;
use crate::support::certificate::Authority;

fn reach(allowed: &str) -> Reach {
    Reach::new(allowed, true, "WEBHOOK").unwrap()
}

#[test]
fn no_address_that_is_not_public_is_connected_to_in_whatever_form_it_comes() {
    let reach = reach("");
    let inside = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "fec0::1",
        "2001:db8::1",
        "2001::1",
        "2002:7f00:1::",
        "3fff::1",
        "100::1",
        "64:ff9b:1::1",
        "5f00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::10.0.0.1",
    ];
    for address in inside {
        assert!(!reach.has(address.parse::<IpAddr>().unwrap()), "{address}");
    }
    let public =
        ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"];
    for address in public {
        assert!(reach.has(address.parse::<IpAddr>().unwrap()), "{address}");
    }
}

#[test]
fn networks_that_the_operator_names_may_be_called_and_no_others() {
    let reach = reach("10.20.0.0/16, ::1");
    for (address, may) in
        [("10.20.3.4", true), ("::ffff:10.20.3.4", true), ("10.21.0.1", false), ("::1", true), ("127.0.0.1", false)]
    {
        assert_eq!(reach.has(address.parse::<IpAddr>().unwrap()), may, "{address}");
    }
    assert!(Reach::new("10.20.0.0/33", true, "WEBHOOK").is_err());
}

#[test]
fn a_url_that_leads_inside_or_hides_where_it_leads_is_refused_before_it_is_kept() {
    let reach = reach("");
    let wrong = [
        "",
        "example.org",
        "//example.org/",
        "/hooks",
        "ftp://example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://user@example.org/",
        "https://user:secret@example.org/",
        "https://example.org/#x",
        "https://example.org:0/",
        "https://example.org:/",
        "https://example.org:99999/",
        "https://exa mple.org/",
        "https://exämple.org/",
        "https://example.org/\n",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://0/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://localhost./",
        "https://a.localhost/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://a..b/",
        "https://.example.org/",
        "https://example.org\\@inside/",
    ];
    for url in wrong {
        assert!(reach.check(url).is_err(), "{url}");
    }
    let right = [
        "https://example.org",
        "https://example.org/",
        "https://example.org./x?y=1&z=%20",
        "http://example.org:8080/a",
        "https://xn--exmple-cua.org/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/",
        "HTTPS://Example.ORG/",
    ];
    for url in right {
        assert_eq!(reach.check(url), Ok(()), "{url}");
    }
    assert!(Reach::new("", false, "WEBHOOK").unwrap().check("http://example.org/").is_err());
    assert!(reach.check(&format!("https://example.org/{}", "x".repeat(2100))).is_err());
}

/// The name is allowed by its look alone: where it leads is known only to those who connect.
#[test]
fn a_name_that_leads_inside_is_not_connected_to_even_if_it_got_into_the_table() {
    let receiver = Receiver::start();
    let app = start_with(&[("WEBHOOK_ALLOW_PRIVATE", "10.99.0.0/16")]);
    let client = app.admin().client;
    let body = json!({ "name": "inside", "url": "http://10.99.0.1/", "events": ["teams.created"], "retry_config": { "schedule": [] } });
    let made = client.post("/api/webhooks", &body).expect(201).json();
    // This machine's own name leads to itself, and no form betrays it.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let url = format!("http://{}:{}/", name.trim(), receiver.address.port());
    let sql = "UPDATE gateway.webhooks SET url = $1 WHERE id = $2::text::uuid";
    app.database.client().execute(sql, &[&url, &text(&made["id"])]).unwrap();
    make_team(&client, "one");
    let failed = delivery_in(&client, &made, "FAILED");
    let error = text(&failed["error"]);
    assert!(error.contains("no public address") || error.contains("not known"), "{failed}");
    let sql = "UPDATE gateway.webhooks SET url = $1 WHERE id = $2::text::uuid";
    let url = format!("http://127.0.0.1:{}/", receiver.address.port());
    app.database.client().execute(sql, &[&url, &text(&made["id"])]).unwrap();
    let path = format!("/api/webhook-deliveries/{}/retry", text(&failed["id"]));
    client.post(&path, &json!({})).expect(200);
    let failed = crate::support::wait::wait_for("it has failed again", super::PATIENCE, || {
        super::deliveries(&client, &made)
            .into_iter()
            .find(|delivery| delivery["attempt"] == 2 && delivery["status"] == "FAILED")
    });
    assert!(text(&failed["error"]).contains("not public"), "{failed}");
    assert!(receiver.received().is_empty());
}

#[test]
fn no_proxy_of_the_environment_is_used() {
    let (receiver, proxy) = (Receiver::start(), Receiver::start());
    let app = super::start();
    let admin = app.admin();
    super::webhook(&admin.client, &receiver, &["teams.created"], json!({}));
    let mut app = app;
    app.stop();
    let (url, data) = (app.database.pairs(), app.data().to_str().unwrap().to_owned());
    let through = format!("http://{}", proxy.address);
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("MAINSTAY_DATA", &data),
        ("HTTP_PROXY", &through),
        ("http_proxy", &through),
        ("ALL_PROXY", &through),
        ("all_proxy", &through),
        ("HTTPS_PROXY", &through),
    ];
    let serving = crate::support::serving::Serving::start(&[&super::LOCAL, &settings[..]].concat());
    serving.wait_until_ready();
    let sql = "INSERT INTO identity.teams (name, slug) VALUES ('one', 'one')";
    app.database.client().batch_execute(sql).unwrap();
    receiver.wait_for(1);
    assert!(proxy.received().is_empty());
}

#[test]
fn over_https_only_a_server_whose_certificate_is_signed_by_a_trusted_authority_is_told_anything() {
    let (trusted, stranger) = (Authority::new("The trusted one"), Authority::new("A stranger"));
    let file = trusted.file();
    let app = start_with(&[("WEBHOOK_ROOT_CERT", file.to_str().unwrap())]);
    let client = app.admin().client;
    let right = Receiver::encrypted(&trusted.sign("localhost", 2999));
    let wrong = [
        Receiver::encrypted(&stranger.sign("localhost", 2999)),
        Receiver::encrypted(&trusted.sign("elsewhere.example", 2999)),
        Receiver::encrypted(&trusted.sign("localhost", 2001)),
    ];
    let told = webhook(&client, &right, &["teams.created"], json!({}));
    let not_told = wrong
        .each_ref()
        .map(|receiver| webhook(&client, receiver, &["teams.created"], json!({ "retry_config": { "schedule": [] } })));
    make_team(&client, "safe");
    assert!(right.wait_for(1)[0].is_signed_with(&text(&told["secret"])));
    for (receiver, webhook) in wrong.iter().zip(&not_told) {
        let delivery = delivery_in(&client, webhook, "FAILED");
        assert!(text(&delivery["error"]).contains("not safe"), "{delivery}");
        assert!(receiver.received().is_empty(), "{delivery}");
    }
}
