//! Safety rules: which hosts get credentials, which links and redirects are followed, and how much is read.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use fake_registry::{Authorization, FakeEndpoint, Misbehaviour};

/// Answers every connection with these bytes, and closes it.
async fn raw(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_realm_on_another_site_gets_no_credentials() {
    let thief = FakeRegistry::start(Script::distribution_like(["a"])).await.expect("a port");
    let elsewhere = format!("http://localhost:{}/token", thief.url().port().expect("a port"));
    let script = Script::distribution_like(["a"]).with_token(|token| token.realm = Some(elsewhere.clone()));
    let error = Rig::new(script).await.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Untrusted, Step::Token));
    assert!(error.remedy().contains("realm_hosts"), "{}", error.remedy());
    assert!(thief.requests().is_empty());
}

/// `rg.fr-par.scw.cloud` names a realm on `api.scaleway.com`.
#[tokio::test]
async fn an_anonymous_caller_asks_a_realm_on_another_site_for_a_token() {
    let token = Script::open(["a"]).with_faults(|_, _| Some(Misbehaviour::status(200).body(r#"{"token":"t"}"#)));
    let service = FakeRegistry::start(token).await.expect("a port");
    let elsewhere = format!("http://localhost:{}/token", service.url().port().expect("a port"));
    let script = |realm: String| {
        let script = Script::distribution_like(["a"]).with_token(|token| token.realm = Some(realm));
        script.with_faults(|seen, _| {
            let has_token = seen.header("authorization") == Some("Bearer t");
            has_token.then(|| Misbehaviour::status(200).body(r#"{"repositories":["a"]}"#))
        })
    };
    let anonymous = |settings: &mut RegistrySettings| settings.auth = Auth::Token(None);
    assert_eq!(Rig::with(script(elsewhere), anonymous).await.names().await, ["a"]);
    let seen = service.requests();
    assert_eq!((seen.len(), seen[0].authorization), (1, Authorization::None));
    // Within the rules for addresses.
    for realm in ["http://169.254.169.254/token", "http://10.0.0.1/token"] {
        let error = Rig::with(script(realm.into()), anonymous).await.error().await;
        assert_eq!((error.fault(), error.step()), (Fault::Untrusted, Step::Token), "{realm}");
        assert!(error.remedy().contains("allow_hosts"), "{}", error.remedy());
    }
}

#[tokio::test]
async fn realm_hosts_may_name_it_and_another_port_is_the_same_host() {
    let auth = FakeRegistry::start(Script::distribution_like(["a"])).await.expect("a port");
    let port = auth.url().port().expect("a port");
    for (host, listed) in [("localhost", vec![format!("localhost:{port}")]), ("127.0.0.1", Vec::new())] {
        let realm = format!("http://{host}:{port}/token");
        let script = Script::distribution_like(["a"]).with_token(|token| token.realm = Some(realm));
        // The other server's tokens are not valid here; the test only needs its requests.
        let rig = Rig::with(script, |settings| settings.realm_hosts = listed).await;
        assert_eq!(rig.error().await.fault(), Fault::Denied);
    }
    assert_eq!(auth.count(FakeEndpoint::Token), 2);
}

#[tokio::test]
async fn more_headers_than_the_http_library_reads_by_default_are_read_and_they_are_bounded() {
    for (count, is_read) in [(150, true), (900, true), (1100, false)] {
        let script = Script::open(["a"]).with_faults(move |seen, _| {
            let many = |answer: Misbehaviour, number: usize| answer.header(&format!("x-header-{number}"), "v");
            let answer = Misbehaviour::status(200).body(r#"{"repositories":["a"]}"#);
            (seen.endpoint == FakeEndpoint::Catalog).then(|| (0..count).fold(answer, many))
        });
        let rig = Rig::with(script, |settings| settings.auth = Auth::None).await;
        assert_eq!(rig.walk().await.error.is_none(), is_read, "{count}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_plain_and_packed() {
    let bomb = {
        use flate2::Compression;
        use flate2::write::GzEncoder;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; 40 << 20]).expect("in memory");
        encoder.finish().expect("in memory")
    };
    assert!(bomb.len() < 1 << 20);
    for goes in [
        Misbehaviour::status(200).header("content-encoding", "gzip").body(bomb),
        Misbehaviour::status(200).body(vec![b' '; 33 << 20]),
        Misbehaviour::status(200).header("content-encoding", "br").body("x"),
        Misbehaviour::status(200).header("content-encoding", "gzip").body("no gzip"),
    ] {
        let script = Script::open(["a"])
            .with_faults(move |seen, _| (seen.endpoint == FakeEndpoint::Catalog).then(|| goes.clone()));
        let rig = Rig::with(script, |settings| settings.auth = Auth::None).await;
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Page(1)));
        assert_eq!(rig.client.stats().retries, 0);
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_and_one_that_never_ends_are_errors() {
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n{\"repositories\":[".to_vec(), vec![b' '; 33 << 20]].concat();
    for (answer, fault) in [(b"SSH-2.0-OpenSSH\r\n".to_vec(), Fault::Unreachable), (endless, Fault::Protocol)] {
        let address = raw(answer).await;
        let url = format!("http://{address}").parse().expect("a URL");
        let client =
            Client::build(settings(url, Auth::None), QUICK, ListBounds::default(), Arc::new(())).expect("a client");
        assert_eq!(walk(&client).await.error.expect("an error").fault(), fault);
    }
}

/// The result of a walk of a server that answers every request with these bytes.
async fn of_raw(answer: Vec<u8>) -> Walked {
    let url = format!("http://{}", raw(answer).await).parse().expect("a URL");
    let timeout = Duration::from_millis(500);
    let client = Client::build(
        RegistrySettings { timeout, ..settings(url, Auth::None) },
        QUICK,
        ListBounds::default(),
        Arc::new(()),
    );
    walk(&client.expect("a client")).await
}

#[tokio::test]
async fn http_1_0_and_chunked_answers_are_read_and_broken_framing_is_never_a_whole_page() {
    let page = "{\"repositories\":[\"a\"]}";
    for whole in [
        format!("HTTP/1.0 200 OK\r\n\r\n{page}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 22\r\nContent-Length: 22\r\n\r\n{page}"),
        format!("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n16;x=y\r\n{page}\r\n0\r\nX: y\r\n\r\n"),
        format!("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{page}"),
    ] {
        let walked = of_raw(whole.clone().into_bytes()).await;
        assert!(walked.error.is_none(), "{whole}: {:?}", walked.error);
        assert_eq!(walked.names(), ["a"], "{whole}");
    }
    for broken in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{page}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 22\r\nContent-Length: 2\r\n\r\n{page}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{page}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n{page}\r\n"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{page}\r\n0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{page}"),
        format!("HTTP/1.1 200 OK\r\nLink: </x>; rel=next\r\n y\r\nContent-Length: 22\r\n\r\n{page}"),
        format!("HTTP/0.9 200 OK\r\n\r\n{page}"),
        page.to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000),
        format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(1 << 20)),
    ] {
        let walked = of_raw(broken.clone().into_bytes()).await;
        assert!(walked.error.is_some(), "{}", &broken[..broken.len().min(100)]);
    }
}

#[tokio::test]
async fn many_gzip_members_end_in_time() {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    let member = GzEncoder::new(Vec::new(), Compression::fast()).finish().expect("in memory");
    let members = member.repeat((8 << 20) / member.len());
    let answer = Misbehaviour::status(200).header("content-encoding", "gzip").body(members);
    let script = Script::open(["a"])
        .with_faults(move |seen, _| (seen.endpoint == FakeEndpoint::Catalog).then(|| answer.clone()));
    let rig = Rig::with(script, |settings| settings.auth = Auth::None).await;
    let error = tokio::time::timeout(Duration::from_secs(20), rig.error()).await.expect("an end");
    assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Page(1)), "{error}");
}

#[tokio::test]
async fn https_to_a_server_that_speaks_none_is_a_tls_error() {
    let server = FakeRegistry::start(Script::open(["a"])).await.expect("a port");
    let url = format!("https://127.0.0.1:{}", server.url().port().expect("a port")).parse().expect("a URL");
    let client = Client::build(
        RegistrySettings { insecure_tls: true, ..settings(url, Auth::None) },
        QUICK,
        ListBounds::default(),
        Arc::new(()),
    );
    let error = walk(&client.expect("a client")).await.error.expect("an error");
    assert_eq!((error.fault(), error.step()), (Fault::Tls, Step::Ping), "{error:?}");
    assert_eq!(error.known_cause().map(|cause| cause.id()), Some("plain_http"), "{error}");
    assert!(error.to_string().ends_with("it answers in plain HTTP"), "{error}");
}

#[test]
fn a_ca_file_that_is_none_is_told_at_setup() {
    let not_pem = secret_file("not a certificate");
    for path in ["/nonexistent/ca.pem".into(), not_pem.path().to_owned()] {
        let url = "https://r.example".parse().expect("a URL");
        let error =
            Client::new(RegistrySettings { ca_file: Some(path), ..settings(url, Auth::None) }).expect_err("refused");
        assert_eq!((error.fault(), error.step()), (Fault::Tls, Step::Setup));
        assert!(error.remedy().contains("ca_file"));
    }
}
