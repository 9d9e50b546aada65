//! Well-formed requests, to be answered alike by this crate and the published one.

#[derive(Clone)]
pub struct Case {
    pub what: &'static str,
    /// Sent at once, each to be answered.
    pub requests: Vec<String>,
    /// The body is sent only when the server says to continue.
    pub waits: bool,
    /// The names of the differences that are meant.
    pub improvements: &'static [&'static str],
}

fn case(what: &'static str, request: impl Into<String>) -> Case {
    Case { what, requests: vec![request.into()], waits: false, improvements: &[] }
}

impl Case {
    fn then(mut self, request: impl Into<String>) -> Case {
        self.requests.push(request.into());
        self
    }

    fn waiting(mut self) -> Case {
        self.waits = true;
        self
    }

    fn but(mut self, improvements: &'static [&'static str]) -> Case {
        self.improvements = improvements;
        self
    }
}

fn request(line: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}")
}

fn old_request(line: &str, headers: &[&str], body: &str) -> String {
    request(line, headers, body).replacen("HTTP/1.1\r\nHost: a\r\n", "HTTP/1.0\r\n", 1)
}

fn get(path: &str) -> String {
    request(&format!("GET {path}"), &[], "")
}

fn post(path: &str, body: &str) -> String {
    request(&format!("POST {path}"), &[&format!("Content-Length: {}", body.len())], body)
}

fn chunked(path: &str, body: &str) -> String {
    request(&format!("POST {path}"), &["Transfer-Encoding: chunked"], body)
}

pub fn request_lines() -> Vec<Case> {
    vec![
        case("a plain GET", get("/")),
        case("a query", get("/a/b.c?d=e&f=%20&g;h=?/")),
        case("an absolute target", get("http://a/b?c")),
        case("an absolute target with a port and no path", get("http://a:8080")),
        case("OPTIONS of the server", request("OPTIONS *", &[], "")),
        case("OPTIONS of a page", request("OPTIONS /", &[], "")),
        case("CONNECT that is refused", request("CONNECT a:443", &[], "")),
        case("HEAD", request("HEAD /", &[], "")),
        case("POST without a body", request("POST /", &[], "")),
        case("PUT", request("PUT /a", &["Content-Length: 2"], "ab")),
        case("PATCH", request("PATCH /a", &["Content-Length: 2"], "ab")),
        case("DELETE", request("DELETE /a", &[], "")),
        case("TRACE", request("TRACE /a", &[], "")),
        case("a method of one's own", request("PURGE /a", &[], "")),
        case("a method in lower case", request("get /a", &[], "")),
        case("a method of odd characters", request("M-SEARCH!#$%&'*+.^_`|~1 /a", &[], "")),
        case("HTTP/1.0", old_request("GET /a", &[], "")).but(&["close is said"]),
        case("HTTP/1.0 with a host", old_request("GET /a", &["Host: a"], "")).but(&["close is said"]),
        case("a long target", get(&format!("/{}", "a".repeat(6_000)))),
        case("every character of a target", get("/-._~!$&'()*+,;=:@%41[]|?-._~!$&'()*+,;=:@/?{}")),
        case("an empty line first", format!("\r\n{}", get("/string")))
            .but(&["an empty line before a request is skipped"]),
    ]
}

pub fn request_headers() -> Vec<Case> {
    let headers = |headers: &[&str]| request("GET /", headers, "");
    let many: Vec<_> = (0..60).map(|number| format!("X-{number}: {number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    vec![
        case("a long value", headers(&[&format!("A: {}", "b".repeat(6_000))])),
        case("many headers", headers(&many)),
        case("an empty value", headers(&["A:", "B: ", "C: \t "])),
        case("spaces around a value", headers(&["A:b", "A:  b c  ", "A:\tb\t", "A: \tb\tc \t"])),
        case("names in odd case", headers(&["aCCEPT: b", "ACCEPT-LANGUAGE: c"])),
        case("names of odd characters", headers(&["!#$%&'*+-.^_`|~1: b"])),
        case("values of odd characters", headers(&["A: b:c, \"d\\\"e\"; f=g/h (i) <j> @[]{}?=,:;"])),
        case("the same name several times", headers(&["Cookie: a=b", "A: 1", "cookie: c=d", "A: 1"])),
        case("a host with a port", old_request("GET /", &["Host: a.example:8080"], "")).but(&["close is said"]),
    ]
}

pub fn bodies() -> Vec<Case> {
    let long = "0123456789".repeat(10_000);
    vec![
        case("a short body", post("/", "hello")),
        case("an empty body", post("/", "")),
        case("a body of 1,024 bytes", post("/", &long[..1024])),
        case("a body of 1,025 bytes", post("/", &long[..1025])),
        case("a body of 100,000 bytes", post("/", &long)),
        case("a length with zeros", request("POST /", &["Content-Length: 005"], "hello")),
        case("GET with a body", request("GET /", &["Content-Length: 5"], "hello")),
        case("HEAD with a body", request("HEAD /", &["Content-Length: 5"], "hello")),
        case("a body in HTTP/1.0", old_request("POST /", &["Content-Length: 5"], "hello")).but(&["close is said"]),
        case("one chunk", chunked("/", "5\r\nhello\r\n0\r\n\r\n")),
        case("several chunks", chunked("/", "1\r\na\r\nB\r\nbbbbbbbbbbb\r\n001\r\nc\r\n000\r\n\r\n")),
        case("a large chunk", chunked("/", &format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len()))),
        case("no chunk", chunked("/", "0\r\n\r\n")),
        case("a coding in odd case", request("POST /", &["transfer-encoding:CHUNKED"], "1\r\na\r\n0\r\n\r\n")),
        case("extensions of chunks", chunked("/", "5;a\r\nhello\r\n1 ; b=\"c\"\r\n!\r\n0;d\r\n\r\n")),
        case("trailers", chunked("/body", "5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n")).but(&["trailers are skipped"]),
        case("a short body that is not read", post("/unread", "hello")),
        case("a body of 5,000 bytes that is not read", post("/unread", &long[..5000])),
        case("a body of which a part is read", post("/half-read", &long[..5000])),
        case("chunks that are not read", chunked("/unread", "5\r\nhello\r\n0\r\n\r\n"))
            .but(&["unread chunks are skipped"]),
    ]
}

pub fn expectations() -> Vec<Case> {
    const EXPECT: &str = "expect: 100-Continue";
    let expect = |path: &str, body: &str| {
        request(&format!("POST {path}"), &[EXPECT, &format!("Content-Length: {}", body.len())], body)
    };
    let chunks = request("POST /", &[EXPECT, "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n");
    vec![
        case("a body that waits", expect("/", "hello")).waiting().but(&["100 has no headers"]),
        case("chunks that wait", chunks).waiting().but(&["100 has no headers"]),
        case("a body that does not wait", expect("/", "hello")).but(&["100 is not sent needlessly"]),
        case("no body to wait for", request("GET /", &[EXPECT], "")).but(&["100 is not sent needlessly"]),
        case("an empty body to wait for", expect("/", "")).but(&["100 is not sent needlessly"]),
        case("a body that is refused", expect("/unread", "twenty bytes of body"))
            .waiting()
            .but(&["a body nobody asked for is not waited for"]),
        case("an expectation in HTTP/1.0", old_request("POST /", &[EXPECT, "Content-Length: 5"], "hello"))
            .but(&["HTTP/1.0 expects nothing", "close is said"]),
        case("another expectation", request("GET /", &["Expect: more"], ""))
            .but(&["a refusal says why", "close is said"]),
    ]
}

pub fn responses() -> Vec<Case> {
    const NO_BODY: &[&str] = &["no length where no body can be"];
    let page = |path: &'static str| case(path, get(path));
    vec![
        page("/string"),
        page("/bytes"),
        page("/data/0"),
        page("/data/1000"),
        page("/data/32767"),
        page("/data/32768"),
        page("/data/300000"),
        page("/file"),
        page("/boxed"),
        page("/with-data"),
        page("/low-threshold"),
        page("/high-threshold"),
        page("/length-by-header"),
        page("/longer-than-said").but(&["the length is kept to"]),
        page("/headers"),
        page("/own-headers"),
        page("/type"),
        page("/date"),
        page("/server"),
        page("/writer"),
        page("/dropped"),
        page("/status/200"),
        page("/status/201"),
        page("/status/302"),
        page("/status/404"),
        page("/status/503"),
        page("/status/799"),
        page("/status/103").but(NO_BODY),
        page("/status/204").but(NO_BODY),
        page("/status/304").but(NO_BODY),
        page("/stream/200"),
        page("/stream/404"),
        page("/stream/204").but(NO_BODY),
        page("/stream/304").but(&["no coding where no body can be"]),
    ]
}

pub fn responses_to_head_and_old_clients() -> Vec<Case> {
    const CLOSE: &[&str] = &["close is said"];
    const UNTIL_CLOSE: &[&str] = &["unknown length ends with the connection"];
    let head = |path: &'static str| case(path, request(&format!("HEAD {path}"), &[], ""));
    let old = |path: &'static str| case(path, old_request(&format!("GET {path}"), &[], ""));
    let te = |te: &'static str, path: &str| case(te, request(&format!("GET {path}"), &[te], ""));
    vec![
        head("/string"),
        head("/file"),
        head("/data/50000"),
        head("/stream/200"),
        head("/headers"),
        head("/status/204").but(&["no length where no body can be"]),
        head("/status/404"),
        old("/string").but(CLOSE),
        old("/file").but(CLOSE),
        old("/data/50000").but(CLOSE),
        old("/low-threshold").but(CLOSE),
        old("/writer"),
        old("/dropped").but(CLOSE),
        old("/status/204").but(&["no length where no body can be", "close is said"]),
        old("/stream/200").but(UNTIL_CLOSE),
        te("TE: chunked", "/string"),
        te("te: Trailers, deflate;q=0.5", "/string"),
        te("TE: identity", "/data/50000"),
        te("TE: chunked;q=0.5, identity", "/data/50000"),
        te("TE: identity;q=0.5,chunked; q=0.7", "/string"),
        te("TE: identity;q=0, chunked;q=0", "/string"),
        te("TE: chunked", "/status/304").but(&["no coding where no body can be"]),
        te("TE: identity", "/stream/200").but(UNTIL_CLOSE),
    ]
}

pub fn connections() -> Vec<Case> {
    let option = |what, value: &str| case(what, request("GET /string", &[&format!("Connection: {value}")], ""));
    let keep_alive = |line: &str| old_request(line, &["Connection: Keep-Alive"], "");
    vec![
        option("close", "close").but(&["close is said"]),
        option("close in odd case among others", "x, CLOSE ,y").but(&["close is said"]),
        option("keep-alive", "keep-alive"),
        option("an option that says nothing", "te"),
        option("an upgrade that is not wanted", "keep-alive, Upgrade").but(&["a refused upgrade keeps the connection"]),
        case("close in the second header", request("GET /", &["Connection: te", "Connection: close"], ""))
            .but(&["every Connection header counts"]),
        case("HTTP/1.0 keep-alive", keep_alive("GET /")).but(&["keep-alive is said"]),
        case("HTTP/1.0 keep-alive of HEAD", keep_alive("HEAD /string")).but(&["keep-alive is said"]),
        case("HTTP/1.0 keep-alive of unknown length", keep_alive("GET /stream/200"))
            .but(&["unknown length ends with the connection"]),
        case("HTTP/1.0 keep-alive of HEAD of unknown length", keep_alive("HEAD /stream/200"))
            .but(&["the length is not looked for", "keep-alive is said"]),
        case("two at once", get("/1")).then(get("/2")),
        case("GET and HEAD at once", get("/1")).then(request("HEAD /2", &[], "")).then(get("/3")),
        case("bodies at once", post("/", "hello")).then(chunked("/", "1\r\na\r\n0\r\n\r\n")).then(post("/", "bye")),
        case("long replies at once", get("/data/100000")).then(get("/file")).then(get("/stream/200")),
        case("unread bodies at once", post("/unread", "hello")).then(post("/half-read", "hello")).then(get("/")),
        case("a writer and a dropped request at once", get("/writer")).then(get("/dropped")).then(get("/writer")),
        case("close last", get("/1")).then(request("GET /2", &["Connection: close"], "")).but(&["close is said"]),
        case("close first", request("GET /1", &["Connection: close"], "")).then(get("/2")).but(&["close is said"]),
        case("HTTP/1.0 keep-alive at once", keep_alive("GET /1"))
            .then(keep_alive("GET /2"))
            .but(&["keep-alive is said"]),
    ]
}
