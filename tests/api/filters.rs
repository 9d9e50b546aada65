//! Filters: every operator on every kind of field, and what is no filter.

use serde_json::json;

use super::encoded;
use super::specimen::Specimens;
use crate::support::App;

/// Three specimens: the first has everything, the second other values, the third nothing.
fn zoo() -> Specimens {
    let zoo = Specimens::serve();
    zoo.make(&json!({
        "name": "Ape", "count": 1, "size": 10, "is_alive": true, "found_at": "2026-01-31T12:00:00Z",
        "owner": "00000000-0000-0000-0000-00000000000a", "address": "10.0.0.1", "color": "red", "days": ["mo", "tu"],
        "tags": ["a", "b"], "about": {"team": "platform", "level": 3, "deep": {"er": true}, "null": null},
        "shape": {"edges": 4}, "anything": [1],
    }));
    zoo.make(&json!({
        "name": "bee", "count": 2, "size": 20, "is_alive": false, "found_at": "2026-02-01T00:00:00+01:00",
        "owner": "00000000-0000-0000-0000-00000000000b", "address": "fe80::1", "color": "green", "days": ["we"],
        "tags": [], "about": {"team": "other", "level": "3"}, "shape": {"edges": 5},
    }));
    zoo.make(&json!({ "name": "Cat" }));
    zoo
}

#[test]
fn every_operator_does_what_it_says_on_every_kind_of_field_that_has_it() {
    let zoo = zoo();
    for (filter, expected) in [
        ("name=Ape", "Ape"),
        ("name=ape", ""),
        ("name__in=Ape,bee", "Ape bee"),
        ("name__gt=Ape&name__lt=bee", "Cat"),
        ("name__gte=Cat&name__lte=Cat", "Cat"),
        ("name__contains=AP", "Ape"),
        ("name__null=false", "Ape bee Cat"),
        ("count=1", "Ape"),
        ("count__gt=1", "bee"),
        ("count__gte=1", "Ape bee"),
        ("count__lt=2", "Ape"),
        ("count__lte=2", "Ape bee"),
        ("count__in=2,3,9223372036854775807", "bee"),
        ("count__null=true", "Cat"),
        ("size__gt=-9223372036854775808&size__lt=20", "Ape Cat"),
        ("is_alive=true", "Ape"),
        ("is_alive=false", "bee"),
        ("is_alive__in=true,false", "Ape bee"),
        ("is_alive__null=true", "Cat"),
        ("found_at=2026-01-31T12:00:00Z", "Ape"),
        ("found_at=2026-01-31T13:00:00%2B01:00", "Ape"),
        ("found_at=2026-01-31T13:00:00+01:00", "Ape"),
        ("found_at=2026-01-31t12:00:00.000z", "Ape"),
        ("found_at__gt=2026-01-31T12:00:00Z", "bee"),
        ("found_at__gte=2026-01-31", "Ape bee"),
        ("found_at__lt=2026-02-01", "Ape bee"),
        ("found_at__lte=2026-01-31T12:00:00Z", "Ape"),
        ("found_at__in=2026-01-31T12:00:00Z,2026-01-31T23:00:00Z", "Ape bee"),
        ("found_at__null=true", "Cat"),
        ("owner=00000000-0000-0000-0000-00000000000A", "Ape"),
        ("owner__gt=00000000-0000-0000-0000-00000000000a", "bee"),
        ("owner__in=0000000000000000000000000000000a,00000000-0000-0000-0000-00000000000b", "Ape bee"),
        ("owner__null=true", "Cat"),
        ("address=10.0.0.1", "Ape"),
        ("address=fe80:0:0::1", "bee"),
        ("address__gt=10.0.0.0", "Ape bee"),
        ("address__in=10.0.0.1,::1", "Ape"),
        ("address__null=true", "Cat"),
        ("color=red", "Ape"),
        ("color__in=red,green", "Ape bee"),
        ("color__null=false", "Ape bee"),
        ("days=mo", "Ape"),
        ("days=we", "bee"),
        ("days__null=true", "Cat"),
        ("tags=b", "Ape"),
        ("tags=a,b", ""),
        ("tags__null=true", "Cat"),
        ("about.team=platform", "Ape"),
        ("about.level=3", "Ape bee"),
        ("about.deep.er=true", "Ape"),
        ("about.deep.er=false", ""),
        ("about.null=null", "Ape"),
        ("about.deep={\"er\":true}", "Ape"),
        ("about.missing=x", ""),
        ("about__null=true", ""),
        ("shape__null=true", "Cat"),
        ("anything__null=false", "Ape"),
        ("created_at__gt=2020-01-01&updated_at__gt=2020-01-01", "Ape bee Cat"),
        ("name__contains=e&is_alive=true&count__in=1,2", "Ape"),
        ("count__gte=1&count__lte=1", "Ape"),
        ("count=1&count=2", ""),
    ] {
        let filter = filter.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        assert_eq!(zoo.names(&format!("{filter}&sort=id")).join(" "), expected, "{filter}");
    }
}

#[test]
fn what_is_no_filter_is_named_with_what_there_is() {
    let zoo = zoo();
    for filter in [
        "nonsense=1",
        "parts=1",
        "version=1",
        "name__like=x",
        "name__=x",
        "name__gt__gt=x",
        "__gt=1",
        "=1",
        "name.x=1",
        "shape.edges=4",
        "anything.a=1",
        "about=1",
        "about.=1",
        "about__contains=1",
        "about__in=1",
        "count__contains=1",
        "is_alive__gt=true",
        "color__lt=red",
        "days__in=mo",
        "days__contains=mo",
        "tags__gt=a",
        "NAME=x",
        "name%00=x",
        "name;drop=x",
        "\"name\"=1",
        "limit__gt=1",
        "cursor__null=true",
    ] {
        let filter = filter.replace('"', "%22");
        let answer = zoo.client.get(&format!("/api/specimens?{filter}"));
        assert_eq!((answer.status, answer.code().as_str()), (400, "MALFORMED_REQUEST"), "{filter}");
        if !filter.contains("%00") {
            let detail = answer.json()["detail"].to_string();
            assert!(
                detail.contains("is not known here; there are id, created_at, updated_at, name, count"),
                "{detail}"
            );
        }
    }
    for sort in ["nonsense", "count", "", "-", "--name", "name,size", "name desc", "about"] {
        let answer = zoo.client.get(&format!("/api/specimens?sort={}", encoded(sort)));
        let detail = answer.refuse(400, "MALFORMED_REQUEST").json()["detail"].to_string();
        assert!(detail.contains("id, created_at, updated_at, name, size"), "{detail}");
    }
    for fields in ["nonsense", "", "id,", "id,nonsense", "ID"] {
        let answer = zoo.client.get(&format!("/api/specimens?fields={fields}"));
        let detail = answer.refuse(400, "MALFORMED_REQUEST").json()["detail"].to_string();
        assert!(detail.contains("there are id, name, count"), "{detail}");
    }
}

#[test]
fn a_value_that_cannot_be_one_is_refused_with_what_would_be() {
    let zoo = zoo();
    for (filter, expected) in [
        ("count=1.5", "must be a whole number"),
        ("count=", "must be a whole number"),
        ("count=9223372036854775808", "must be a whole number"),
        ("count__in=1,,2", "must be a whole number"),
        ("is_alive=yes", "must be true or false"),
        ("found_at=yesterday", "must be a day or a time"),
        ("found_at=2026-02-30", "must be a day or a time"),
        ("found_at=infinity", "must be a day or a time"),
        ("found_at=now", "must be a day or a time"),
        ("owner=1", "must be a UUID"),
        ("address=10.0.0.0/8", "must be an IP address"),
        ("color=blue", "must be one of red, green"),
        ("name__null=1", "must be true or false"),
        ("about__null=", "must be true or false"),
    ] {
        let answer = zoo.client.get(&format!("/api/specimens?{filter}")).refuse(400, "MALFORMED_REQUEST");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(expected), "{filter}: {detail}");
    }
    let many = vec!["x"; 201].join(",");
    let answer = zoo.client.get(&format!("/api/specimens?name__in={many}")).refuse(400, "MALFORMED_REQUEST");
    assert!(answer.json()["detail"].to_string().contains("more than 200 values"));
    let many = vec!["count=1"; 201].join("&");
    zoo.client.get(&format!("/api/specimens?{many}")).refuse(400, "MALFORMED_REQUEST");
}

#[test]
fn a_filter_takes_every_text_for_what_it_is() {
    let zoo = Specimens::serve();
    let texts = [
        "100%",
        "100x",
        "a_b",
        "axb",
        r"back\slash",
        "back_slash",
        "it's",
        "\"quoted\"",
        "'; DROP TABLE trial.specimens; --",
        "$1",
        "a,b",
        "😀",
        "ß",
        "\u{202e}rtl",
        "{}",
        "null",
        " space ",
        "tab\there",
        "line\nbreak",
        "+plus",
        "a&b=c",
        "#",
    ];
    for text in texts {
        zoo.make(&json!({ "name": text }));
    }
    for text in texts {
        assert_eq!(zoo.names(&format!("name={}", encoded(text))), [text]);
        assert_eq!(zoo.names(&format!("name__contains={}", encoded(text))), [text], "{text:?}");
        assert_eq!(zoo.names(&format!("name__gte={0}&name__lte={0}", encoded(text))), [text]);
        zoo.make(&json!({ "name": format!("about {text}"), "about": { text: text } }));
    }
    for text in texts.into_iter().filter(|text| !text.contains('.')) {
        let found = zoo.names(&format!("about.{}={}", encoded(text), encoded(text)));
        assert_eq!(found, [format!("about {text}")]);
    }
}

#[test]
fn a_filter_of_ten_thousand_characters_is_too_long_a_line_and_one_of_six_thousand_is_not() {
    let zoo = Specimens::serve();
    let long = "x".repeat(6000);
    zoo.make(&json!({ "name": long }));
    assert_eq!(zoo.names(&format!("name={long}")), std::slice::from_ref(&long));
    assert_eq!(zoo.names(&format!("name__contains={long}")), [long]);
    assert_eq!(zoo.client.get(&format!("/api/specimens?name={}", "x".repeat(10_000))).status, 414);
}

#[test]
fn what_is_not_rightly_encoded_is_refused() {
    let app = App::start();
    let admin = app.admin().client;
    for query in
        ["name=%", "name=%4", "name=%zz", "name=%ff", "name=%c3%28", "name=%00", "name=a%00b", "%ff=1", "limit=%ff"]
    {
        admin.get(&format!("/api/teams?{query}")).refuse(400, "MALFORMED_REQUEST");
    }
    admin.get("/api/teams/%ff").refuse(400, "MALFORMED_REQUEST");
    admin.get("/api/teams/%00").refuse(400, "MALFORMED_REQUEST");
    admin.get("/api/teams?&&").expect(200);
}

#[test]
fn an_address_is_found_in_either_case_and_an_ip_address_in_any_form() {
    let app = App::start();
    let admin = app.admin().client;
    let user = json!({ "email": "Some.Body@Example.org", "name": "x" });
    admin.post("/api/users", &user).expect(201);
    for filter in ["email=some.body@example.ORG", "email__in=SOME.body@example.org,x@y.z", "email__contains=BODY@"] {
        let page = admin.get(&format!("/api/users?{filter}")).expect(200).json();
        assert_eq!(super::column(&page, "email"), ["Some.Body@Example.org"], "{filter}");
    }
    app.logged_in("USER");
    assert_eq!(
        super::column(&admin.get("/api/sessions?ip_address=127.0.0.1").expect(200).json(), "revoked_at").len(),
        1
    );
    assert_eq!(super::column(&admin.get("/api/sessions?ip_address=::1").expect(200).json(), "revoked_at").len(), 0);
}

#[test]
fn a_filter_that_looks_too_deep_is_refused_at_once_and_stops_nobody() {
    let app = App::start();
    let admin = app.admin().client;
    admin.get(&format!("/api/teams?metadata{}=1", ".a".repeat(16))).expect(200);
    for dots in [17, 7_900] {
        for segment in [".", ".a"] {
            let path = segment.repeat(dots.min(8_000 / segment.len() - 50));
            admin.get(&format!("/api/teams?metadata{path}=1")).refuse(400, "MALFORMED_REQUEST");
        }
    }
    admin.get("/live").expect(200);
}
