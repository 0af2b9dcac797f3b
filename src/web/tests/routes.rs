//! The routes, and which requests they serve.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;

const PAGES: [&str; 4] = ["/", "/metrics", "/healthz", "/readyz"];

fn with_runs() -> WebSettings {
    WebSettings { allow_runs: true, ..settings() }
}

#[tokio::test]
async fn metrics_are_text_compressed_where_that_is_asked_for() {
    let metrics = "# HELP a A.\n# TYPE a gauge\na{b=\"c\"} 1\n".repeat(1000);
    let listener = TestListener::new(FixedBackend { metrics: metrics.clone(), ..FixedBackend::default() }).await;
    let plain = listener.get("/metrics").await;
    assert_eq!((plain.status, plain.text()), (200, metrics.clone()));
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("vary"), Some("accept-encoding"));
    let packed = listener.ask("GET", "/metrics?x=1", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < metrics.len() / 10, "{}", packed.body.len());
    let mut text = String::new();
    GzDecoder::new(&packed.body[..]).read_to_string(&mut text).expect("gzip");
    assert_eq!(text, metrics);
}

#[tokio::test]
async fn health_and_readiness_give_the_reason() {
    let listener = TestListener::new(FixedBackend::default()).await;
    for path in ["/healthz", "/readyz"] {
        let answer = listener.get(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"), "{path}");
    }
    let remark = Some("quay has no schedule and never ran".to_owned());
    let listener = TestListener::new(FixedBackend { remark, ..FixedBackend::default() }).await;
    let answer = listener.get("/readyz").await;
    let expected = (200, "ok\nquay has no schedule and never ran\n");
    assert_eq!((answer.status, answer.text().as_str()), expected, "ready, and yet something to know");
    assert_eq!(listener.get("/healthz").await.text(), "ok\n");
    let (health, readiness) = (Err("the loop last turned 40 s ago".to_owned()), Err("stopping".to_owned()));
    let listener = TestListener::new(FixedBackend { health, readiness, ..FixedBackend::default() }).await;
    for (path, why) in [("/healthz", "the loop last turned 40 s ago\n"), ("/readyz", "stopping\n")] {
        let answer = listener.get(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (503, why));
    }
}

#[tokio::test]
async fn the_runbook_of_an_alert_has_a_route() {
    let listener = TestListener::new(FixedBackend::default()).await;
    let section = listener.get("/runbooks/StocktakeCredentialsRejected").await;
    assert_eq!((section.status, section.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert!(section.text().starts_with("## StocktakeCredentialsRejected\n"), "{}", section.text());
    assert!(listener.get("/runbooks/").await.text().len() > 2 * section.body.len());
    assert_eq!(listener.get("/runbooks/StocktakeNobody").await.status, 404);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let listener = TestListener::new(FixedBackend::default()).await;
    for path in PAGES {
        let (get, head) = (listener.get(path).await, listener.ask("HEAD", path, "").await);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        let length = get.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{path}");
    }
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let listener = TestListener::with(FixedBackend::default(), with_runs(), LIMITS).await;
    for (method, path) in
        [("GET", "/"), ("GET", "/metrics"), ("GET", "/none"), ("PUT", "/"), ("POST", "/api/v1/registries/quay/run")]
    {
        let answer = listener.ask(method, path, "").await;
        for (name, expected) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(expected), "{method} {path}");
        }
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}

#[tokio::test]
async fn other_methods_and_other_paths_are_refused() {
    let listener = TestListener::with(FixedBackend::default(), with_runs(), LIMITS).await;
    for (method, path, allow) in [
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("OPTIONS", "/healthz", "GET, HEAD"),
        ("GET", "/api/v1/registries/quay/run", "POST"),
    ] {
        let answer = listener.ask(method, path, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow.to_ascii_lowercase().as_str())), "{path}");
    }
    for path in ["/metrics/", "//", "/favicon.ico", "/api/v1/registries//run", "/api/v1/registries/a/b/run", "/%2e/"] {
        assert_eq!(listener.ask("POST", path, "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_run_is_requested_where_that_is_allowed() {
    let listener = TestListener::with(FixedBackend::default(), with_runs(), LIMITS).await;
    for (registry, run) in [("quay", "started"), ("harbor", "queued"), ("busy", "already_running")] {
        let answer = listener.ask("POST", &format!("/api/v1/registries/{registry}/run"), "Content-Length: 0\r\n").await;
        let told: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!((answer.status, told), (202, serde_json::json!({"registry": registry, "run": run})));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    for (query, status) in [
        ("?accept_shrink=true", 202),
        ("?x=1&accept_shrink=true", 202),
        ("", 404),
        ("?accept_shrink=false", 404),
        ("?accept_shrink=yes", 400),
        ("?accept_shrink", 400),
    ] {
        let path = format!("/api/v1/registries/shrunken/run{query}");
        assert_eq!(listener.ask("POST", &path, "").await.status, status, "{query}");
    }
    let answer = listener.ask("POST", "/api/v1/registries/nobody/run", "").await;
    assert_eq!((answer.status, answer.text().as_str()), (404, "{\"error\":\"no registry has this name\"}\n"));
    for headers in ["Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n", "Origin: null\r\n"] {
        assert_eq!(listener.ask("POST", "/api/v1/registries/quay/run", headers).await.status, 403, "{headers}");
    }
    assert_eq!(listener.ask("POST", "/api/v1/registries/quay/run", "Origin: http://localhost\r\n").await.status, 202);
}

#[tokio::test]
async fn a_run_cannot_be_requested_where_that_is_not_allowed() {
    let listener = TestListener::new(FixedBackend::default()).await;
    for method in ["POST", "GET"] {
        assert_eq!(listener.ask(method, "/api/v1/registries/quay/run", "").await.status, 404);
    }
}

#[tokio::test]
async fn a_panic_of_the_backend_costs_one_response() {
    let listener =
        TestListener::with(FixedBackend { panics: true, ..FixedBackend::default() }, with_runs(), LIMITS).await;
    for (method, path) in
        [("GET", "/"), ("GET", "/metrics"), ("GET", "/healthz"), ("POST", "/api/v1/registries/quay/run")]
    {
        let answer = listener.ask(method, path, "").await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.text().contains("internal error"), "{path}");
    }
    assert_eq!(listener.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn the_page_has_a_style_that_its_policy_allows() {
    use sha2::Digest as _;
    let listener = TestListener::new(FixedBackend::default()).await;
    let mut stream = listener.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("text");
    let style = text.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sha2::Sha256::digest(style));
    assert!(text.contains(&format!("style-src 'sha256-{hash}'")), "{}", &text[..800]);
    assert!(!text.contains("<script") && !text.contains(" style="));
}

#[tokio::test]
async fn a_request_for_another_host_is_served_only_where_it_is_allowed() {
    let ask = async |listener: &TestListener, method: &str, host: &str| {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        listener.raw(&request).await.status
    };
    let listener = TestListener::new(FixedBackend::default()).await;
    for (host, status) in [("localhost:9914", 200), ("127.0.0.1", 200), ("rebound.example", 421), ("10.1.2.3", 421)] {
        assert_eq!(ask(&listener, "GET", host).await, status, "{host}");
    }
    // Before the login: a foreign page is not to try passwords either, nor to start runs.
    assert_eq!(ask(&listener, "POST", "rebound.example").await, 421);
    let allowed = WebSettings { allowed_hosts: ["st.my-org.example".to_owned()].into(), ..settings() };
    let listener = TestListener::with(FixedBackend::default(), allowed, LIMITS).await;
    for (host, status) in [("st.my-org.example", 200), ("ST.My-Org.example:443", 200), ("rebound.example", 421)] {
        assert_eq!(ask(&listener, "GET", host).await, status, "{host}");
    }
}
