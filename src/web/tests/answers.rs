//! The status, the headers and the body of every route for every method, compared with a golden file.

use std::fmt::Write as _;

use super::*;

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE"];
const PATHS: [&str; 34] = [
    "/",
    "/?x=1",
    "//",
    "/metrics",
    "/metrics?name[]=x",
    "/metrics/",
    "/Metrics",
    "/%6detrics",
    "/metrics%2F",
    "/healthz",
    "/healthz/",
    "/readyz",
    "/runbooks",
    "/runbooks/",
    "/runbooks//",
    "/runbooks/StocktakeDown",
    "/runbooks/StocktakeDown/",
    "/runbooks/Stocktake%44own",
    "/runbooks/Stocktake",
    "/runbooks/a/b",
    "/api",
    "/api/v1/registries",
    "/api/v1/registries/quay",
    "/api/v1/registries/quay/run",
    "/api/v1/registries/quay/run/",
    "/api/v1/registries/quay/run?x=1",
    "/api/v1/registries/%71uay/run",
    "/api/v1/registries/%ff/run",
    "/api/v1/registries/a%2Fb/run",
    "/api/v1/registries/a/b/run",
    "/api/v1/registries//run",
    "/api/v1/registries/run",
    "/%",
    "/favicon.ico",
];
/// Requests that are not a method and a path.
const ODD: [&str; 12] = [
    "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n\r\n",
    "GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET http://localhost HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.0\r\n\r\n",
    "HEAD /healthz HTTP/1.0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n",
    "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
    "POST /api/v1/registries/quay/run HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nConnection: close\r\n\r\n",
    "POST /api/v1/registries/quay/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nbegin",
    "POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n0\r\n\r\n",
    "GET /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nbegin",
];

/// Headers that every answer has. `date` has another value each second.
const COMMON: [&str; 4] = [
    "cache-control: no-store",
    "cross-origin-resource-policy: same-origin",
    "referrer-policy: no-referrer",
    "x-content-type-options: nosniff",
];

/// One line: the status, the headers in the order of the alphabet, and a short body.
fn described(answer: &TestResponse) -> String {
    let (common, mut headers): (Vec<_>, Vec<_>) = answer.head.lines().skip(1).partition(|line| COMMON.contains(line));
    assert_eq!(common.len(), COMMON.len(), "{answer:?}");
    headers.sort_unstable();
    let headers = headers.into_iter().filter_map(|line| match line.split_once(": ") {
        Some(("date", _)) => Some("date".to_owned()),
        // The page, its style and the runbooks change more often than the routes.
        Some(("content-length", length)) if length.len() > 2 => Some("content-length: many".to_owned()),
        Some(("content-security-policy", policy)) if policy.contains("style-src") => {
            Some("a policy with a style".to_owned())
        }
        Some(_) => Some(line.to_owned()),
        None => None,
    });
    let body = if answer.body.len() < 100 { format!("{:?}", answer.text()) } else { "a long body".to_owned() };
    format!("{} | {} | {body}", answer.status, headers.collect::<Vec<_>>().join(" | "))
}

#[tokio::test]
async fn every_answer_is_that_of_the_golden_file() {
    let mut text = String::new();
    for allow_runs in [false, true] {
        let listener =
            TestListener::with(FixedBackend::default(), WebSettings { allow_runs, ..settings() }, LIMITS).await;
        let _ = writeln!(text, "# allow_runs: {allow_runs}");
        for path in PATHS {
            let mut answers = Vec::<(String, Vec<&str>)>::new();
            for method in METHODS {
                let answer = described(&listener.ask(method, path, "").await);
                match answers.iter_mut().find(|(known, _)| *known == answer) {
                    Some((_, methods)) => methods.push(method),
                    None => answers.push((answer, vec![method])),
                }
            }
            for (answer, methods) in answers {
                let _ = writeln!(text, "{path} {} | {answer}", methods.join(" "));
            }
        }
        for request in ODD {
            let first = request.lines().next().expect("a line");
            let _ = writeln!(text, "{first} | {}", described(&listener.raw(request).await));
        }
    }
    if let Some(path) = std::env::var_os("WRITE_GOLDEN_ANSWERS") {
        std::fs::write(path, &text).expect("written");
    }
    let golden = include_str!("answers.txt");
    for (number, (line, expected)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(line, expected, "line {}", number + 1);
    }
    assert_eq!(text, golden);
}
