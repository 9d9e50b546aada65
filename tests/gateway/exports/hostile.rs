//! Routes that try to be more than a value in somebody's configuration.

use serde_json::json;

use super::{RUNNING, Setting};

/// What means something to nginx, HAProxy, Caddy, YAML, Go's templates, Lua or a shell.
const HOSTILE: [&str; 18] = [
    r#""; return 200 "pwned"; #"#,
    r#"'; http-request return status 200 #"#,
    r"$request_uri ${mainstay_dollar} $1 $$",
    "~^$request_uri",
    "%[path] %% %{+Q}o %ci",
    "{env.HOME} {$HOME} {http.request.host}",
    r"\{env.HOME\} {{",
    r#"{{ env "HOME" }}"#,
    r"$(os.execute('id')) `id`",
    r#"\" \\ \n \x41 \u0041 \"#,
    r"ends with a backslash \",
    "# no comment",
    "a: [b, c]",
    "*anchor & !tag",
    "}",
    "'",
    "\"",
    "| > - ? @",
];

#[test]
fn nothing_in_a_header_is_more_than_its_value() {
    let setting = Setting::new();
    let name = |index: usize| format!("X-Hostile-{index}");
    let values = HOSTILE.iter().enumerate().map(|(index, value)| (name(index), json!(value)));
    setting.route("hostile", "/hostile", json!({ "headers": values.collect::<serde_json::Map<_, _>>() }));
    for format in RUNNING {
        let seen = setting.gateway(format).client().get("/hostile").expect(200).json();
        for (index, value) in HOSTILE.iter().enumerate() {
            assert_eq!(seen["headers"][name(index).to_lowercase()], *value, "{format}");
        }
    }
}

#[test]
fn nothing_in_the_name_of_a_route_or_a_header_is_more_than_a_name() {
    let setting = Setting::new();
    for (index, name) in HOSTILE.iter().map(|name| name.trim()).enumerate() {
        setting.route_to("/named", &format!("{name} {index}"), &format!("/named/{index}"), json!({}));
    }
    // YAML ends a line here, and a comment with it.
    setting.route_to("/named", "one\u{2028}two: three", "/named/line", json!({ "auth": { "type": "basic" } }));
    let odd =
        json!({ "X$request_uri": "a", "X'quoted": "b", "X%{o}".replace(['{', '}'], ""): "c", "X*": null, "X`": null });
    setting.route_to("/named", "odd names", "/named/headers", json!({ "headers": odd }));
    for format in RUNNING {
        let gateway = setting.gateway(format);
        for index in 0..HOSTILE.len() {
            gateway.client().get(&format!("/named/{index}")).expect(200);
        }
        let client = gateway.client().with("X-Team", "stays").with("X`", "goes");
        let seen = client.get("/named/headers").expect(200).json();
        let header = |name: &str| seen["headers"][name].as_str();
        let found = ["x$request_uri", "x'quoted", "x%o", "x-team", "x`"].map(header);
        assert_eq!(found, [Some("a"), Some("b"), Some("c"), Some("stays"), None], "{format}");
    }
}

#[test]
fn nothing_in_a_path_is_more_than_a_path() {
    let setting = Setting::new();
    let paths = ["/.+", "/(a)", "/a.b", "/$x", "/a;b", "/it's", "/a=b,c", "/!a&b", "/@a:b", "/~a", "/100%25"];
    for (index, path) in paths.into_iter().enumerate() {
        setting.route_to("", &index.to_string(), &format!("/p{path}"), json!({}));
        setting.route_to(
            "/s",
            &format!("{index} stripped"),
            &format!("/s{path}/*"),
            json!({ "strip_path": format!("/s{path}") }),
        );
        setting.route_to(path, &format!("{index} base"), &format!("/b/{index}"), json!({ "strip_path": "/b" }));
    }
    for format in RUNNING {
        let gateway = setting.gateway(format);
        let asked = |path: &str| {
            let seen = gateway.client().get(path).expect(200).json();
            // Caddy encodes some of them, which its notes say.
            let encoded = [("%21", "!"), ("%27", "'"), ("%28", "("), ("%29", ")")];
            let target = seen["target"].as_str().unwrap().to_owned();
            encoded.iter().fold(target, |target, (code, letter)| target.replace(code, letter))
        };
        for (index, path) in paths.into_iter().enumerate() {
            assert_eq!(asked(&format!("/p{path}")), format!("/p{path}"), "{format}");
            assert_eq!(asked(&format!("/s{path}/x")), "/s/x", "{format}: {path}");
            assert_eq!(asked(&format!("/b/{index}")), format!("{path}/{index}"), "{format}");
        }
        // A dot is a dot.
        gateway.client().get("/p/aXb").expect(404);
    }
}

#[test]
fn a_row_that_the_api_would_not_keep_is_left_out_and_said_to_be() {
    let setting = Setting::new();
    let row = "INSERT INTO gateway.routes (name, path, upstream, headers)
        VALUES (E'two\\nlines', '/by/hand', 'http://a', '{}'),
            ('header', '/by/hand/too', 'http://a', '{\"X\": \"a\\r\\nb\"}')";
    setting.app.database.client().batch_execute(row).unwrap();
    setting.route("good", "/good", json!({}));
    for format in RUNNING {
        let gateway = setting.gateway(format);
        gateway.client().get("/good").expect(200);
        gateway.client().get("/by/hand").expect(404);
        let notes = setting.notes(format);
        assert_eq!(notes.iter().filter(|note| note.1 == "route").count(), 2, "{notes:?}");
    }
}
