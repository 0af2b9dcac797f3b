//! Proxies of the environment: what `run`, `check` and `validate` say of them. Each process has an environment of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fake_registry::{FakeRegistry, Script};
use serde_json::Value;

use crate::support::program::{Workplace, one_registry};

/// A proxy that gives every request the same answer, and how many requests it got.
fn proxy(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (address, count) = (listener.local_addr().expect("bound"), Arc::<AtomicUsize>::default());
    let counted = count.clone();
    // It ends with the process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, count)
}

fn place(url: &str) -> Workplace {
    Workplace::with(&one_registry(&url.parse().expect("a URL"), "    auth: {type: none}\n"))
}

/// The facts of one step of `check --format json`, and the rules that fired.
fn told(stdout: &str, step: &str) -> (Vec<(String, String)>, Vec<String>) {
    let json: Value = serde_json::from_str(stdout).expect("standard output is one JSON value");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let steps = json["registries"][0]["steps"].as_array().expect("steps");
    let own = steps.iter().find(|one| one["step"] == step).expect("the step");
    let facts = own["evidence"].as_array().expect("facts").iter();
    let facts = facts.map(|fact| (text(&fact["what"]), text(&fact["seen"]))).collect();
    let rules = steps.iter().flat_map(|step| step["diagnosis"].as_array().expect("a list"));
    (facts, rules.map(|diagnosis| text(&diagnosis["rule"])).collect())
}

const LOGIN: &str = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"corp\"\r\n\
                     Connection: close\r\nContent-Length: 34\r\n\r\n<html>blocked by policy 4711</html>";
const BLOCKED: &str = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 35\r\n\r\n\
                       <html>blocked by policy 4711</html>";

#[tokio::test]
async fn what_a_proxy_refuses_is_told_once_as_its_own_and_is_no_refused_login() {
    for (answer, scheme, login, rule, words) in [
        (LOGIN, "https", "", "proxy_login", "refused: 407, it wants a user name and a password"),
        (LOGIN, "http", "", "proxy_login", "refused: 407, it wants a user name and a password"),
        (
            LOGIN,
            "https",
            "user:hunter2@",
            "proxy_login",
            "refused: 407, it does not accept this user name and password",
        ),
        (BLOCKED, "https", "", "proxy_refused", "refused: 403 `blocked by policy 4711`"),
        (BLOCKED, "http", "", "proxy_or_registry", "or registry.invalid:80 behind it, answers 403 `blocked by policy"),
    ] {
        let (address, count) = proxy(answer);
        let (variable, value) = (format!("{}_PROXY", scheme.to_uppercase()), format!("http://{login}{address}"));
        let place = place(&format!("{scheme}://registry.invalid"));
        let environment = [(variable.as_str(), value.as_str())];
        let ended = place.run_with(&environment, &["run"]).await.exits(1);
        let (name, told_all) = (format!("the proxy of ${variable}, {address}, {words}"), ended.stderr.clone());
        assert!(told_all.contains(&name) && told_all.contains(&variable), "{name}: {told_all}");
        assert_eq!(count.load(Ordering::Relaxed), 1, "{told_all}");
        assert!(!told_all.contains("hunter2") && !told_all.contains("aHVudGVyMg"), "{told_all}");

        let ended = place.run_with(&environment, &["check", "--format", "json"]).await.exits(1);
        let (facts, rules) = told(&ended.stdout, "configuration");
        assert_eq!(rules, [rule]);
        let used = ("proxy".to_owned(), format!("the proxy of ${variable}, {address}"));
        assert!(facts.contains(&used) && !ended.stdout.contains("hunter2"), "{facts:?}");
        let (facts, _) = told(&ended.stdout, "tcp");
        assert_eq!(facts[0].1, format!("the proxy of ${variable}, {address}, does this step"));
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_as_the_proxy() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let place = place("https://registry.invalid");
    let environment = [("https_proxy", free.to_string())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ended = place.run_with(&environment, &["check", "--format", "json"]).await.exits(1);
    assert_eq!(told(&ended.stdout, "ping").1, ["proxy_unreachable"]);
    assert!(ended.stdout.contains(&format!("cannot reach the proxy of $https_proxy, {free}: connection refused")));
}

#[tokio::test]
async fn a_proxy_that_cannot_be_read_is_a_problem_of_the_configuration_and_nothing_is_sent() {
    let registry = FakeRegistry::start(Script::open(["a"])).await.expect("a port");
    let place = place("https://registry.invalid");
    for value in ["http://user:hunter2 x@proxy:1", "ftp://user:hunter2@proxy", "http://user:hunter2@"] {
        for command in [&["run"][..], &["validate"], &["check"]] {
            let ended = place.run_with(&[("HTTPS_PROXY", value)], command).await.exits(78);
            let told = format!("{}{}", ended.stdout, ended.stderr);
            assert!(told.contains("$HTTPS_PROXY cannot be used") && !told.contains("hunter2"), "{command:?}: {told}");
        }
        let ended = place.run_with(&[("HTTPS_PROXY", value)], &["check", "--format", "json"]).await.exits(78);
        assert_eq!(told(&ended.stdout, "configuration").1, ["proxy_setting"]);
    }
    // It matters only where it is used.
    let place = self::place(registry.url().as_str());
    place.run_with(&[("HTTPS_PROXY", "ftp://x"), ("HTTP_PROXY", "http://a b")], &["run"]).await.exits(0);
}

#[tokio::test]
async fn check_says_why_no_proxy_is_used() {
    let registry = FakeRegistry::start(Script::distribution_like(["a"])).await.expect("a port");
    let place = place(registry.url().as_str());
    let environment = [("HTTP_PROXY", "http://proxy.invalid:1")];
    let ended = place.run_with(&environment, &["check", "--format", "json"]).await;
    let (facts, _) = told(&ended.stdout, "configuration");
    let why = "none: a host of this machine is never reached through a proxy";
    assert!(facts.contains(&("proxy".into(), why.into())), "{facts:?}");
    let (facts, _) = told(&ended.stdout, "ping");
    assert!(facts.contains(&("proxy to the token service".into(), format!("127.0.0.1: {why}"))), "{facts:?}");

    let place = self::place("https://r.corp.invalid");
    let environment = [("HTTPS_PROXY", "http://proxy.invalid:1"), ("NO_PROXY", "a, *.corp.invalid")];
    let ended = place.run_with(&environment, &["check", "--format", "json"]).await;
    let (facts, _) = told(&ended.stdout, "configuration");
    assert!(facts.contains(&("proxy".into(), "none: $NO_PROXY has `*.corp.invalid`".into())), "{facts:?}");
}
