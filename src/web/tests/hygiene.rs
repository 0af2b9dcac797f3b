//! Clients that are slow, many, greedy or gone.

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::*;

const SHORT: Duration = Duration::from_millis(300);
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

async fn with_limits(limits: ListenerLimits) -> TestListener {
    TestListener::with(FixedBackend::default(), settings(), limits).await
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_is_cut_off() {
    let listener = with_limits(ListenerLimits { request: SHORT, ..LIMITS }).await;
    for part in ["", "GET", "GET / HTTP/1.1\r\nHost: localhost\r\nX: "] {
        let began = Instant::now();
        let answer = timeout(LONG, listener.raw(part)).await.expect("cut off");
        assert!(answer.status == 0 || answer.status == 408, "{answer:?}");
        assert!(began.elapsed() >= SHORT, "{part}");
    }
    // A byte now and then does not help.
    let mut stream = listener.connect().await;
    let dripping = async {
        for byte in b"GET / HTTP/1.1\r\n".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    timeout(LONG, dripping).await.expect("cut off");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let listener = with_limits(ListenerLimits { request: SHORT, ..LIMITS }).await;
    let mut stream = listener.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        let mut byte = [0; 4096];
        assert!(stream.read(&mut byte).await.expect("an answer") > 0);
    }
    assert_eq!(timeout(LONG, TestResponse::read(&mut stream)).await.expect("closed").status, 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_cut_off_and_others_are_not() {
    let metrics = "x".repeat(16 << 20);
    let listener = TestListener::with(
        FixedBackend { metrics, ..FixedBackend::default() },
        settings(),
        ListenerLimits { response: SHORT, ..LIMITS },
    )
    .await;
    // More than there may be large answers at once.
    let mut lazy = Vec::new();
    for _ in 0..5 {
        let mut stream = listener.connect().await;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        lazy.push(stream);
    }
    let answer = timeout(LONG, listener.get("/")).await.expect("an answer");
    assert_eq!(answer.status, 200);
    // The first client was cut off, which released a permit. Later clients may be read to their end by now.
    let mut cut_off = 0;
    for mut stream in lazy {
        let mut taken = Vec::new();
        let read = timeout(LONG, stream.read_to_end(&mut taken)).await.expect("an end");
        cut_off += usize::from(read.is_err() || taken.len() < 16 << 20);
    }
    assert!(cut_off > 0, "all took their answers");
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_to_be_accepted() {
    let listener = with_limits(ListenerLimits { connections: 2, ..LIMITS }).await;
    let idle = [listener.connect().await, listener.connect().await];
    // A connection that was answered is accepted.
    let mut idle = idle;
    for stream in &mut idle {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        assert!(stream.read(&mut [0; 4096]).await.expect("an answer") > 0);
    }
    let mut third = listener.connect().await;
    third.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(timeout(SHORT, third.read(&mut [0; 1])).await.is_err(), "no permit");
    drop(idle);
    assert_eq!(timeout(LONG, third.read(&mut [0; 1])).await.expect("a permit").expect("an answer"), 1);
}

#[tokio::test]
async fn hundreds_of_requests_at_once_are_all_answered() {
    let listener = std::sync::Arc::new(with_limits(LIMITS).await);
    let mut clients = JoinSet::new();
    for nth in 0..400 {
        let listener = listener.clone();
        clients.spawn(async move { listener.get(["/", "/metrics", "/healthz"][nth % 3]).await.status });
    }
    let statuses = timeout(LONG * 2, clients.join_all()).await.expect("all");
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[tokio::test]
async fn heads_are_limited_and_bodies_are_not_read() {
    let listener = with_limits(LIMITS).await;
    let long = format!("X: {}\r\n", "x".repeat(64 * 1024));
    assert_eq!(listener.ask("GET", "/healthz", &long).await.status, 431);
    assert_eq!(listener.ask("GET", "/healthz", &"X: y\r\n".repeat(200)).await.status, 431);
    let mut stream = listener.connect().await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nbegin")
        .await
        .expect("sent");
    let answer = timeout(LONG, TestResponse::read(&mut stream)).await.expect("closed");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
}

#[tokio::test]
async fn bytes_that_are_not_http_do_no_harm() {
    let listener = with_limits(LIMITS).await;
    for garbage in [
        "\u{16}\u{3}\u{1}",
        "SSH-2.0-x\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\r\n\r\n\r\n\u{0}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = listener.connect().await;
        stream.write_all(garbage.as_bytes()).await.expect("sent");
        stream.shutdown().await.expect("half closed");
        let answer = timeout(LONG, TestResponse::read(&mut stream)).await.expect("closed");
        assert_ne!(answer.status, 200, "{garbage}");
    }
    assert_eq!(listener.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_stop_waits_for_open_responses() {
    let metrics = "x".repeat(16 << 20);
    let limits = ListenerLimits { request: SHORT * 3, stop: LONG, ..LIMITS };
    let mut listener =
        TestListener::with(FixedBackend { metrics, ..FixedBackend::default() }, settings(), limits).await;
    let mut reading = listener.connect().await;
    reading.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    assert_eq!(reading.read(&mut [0; 1]).await.expect("the beginning"), 1);
    let (mut idle, mut half) = (listener.connect().await, listener.connect().await);
    half.write_all(b"GET /").await.expect("sent");
    listener.stop.cancel();
    let mut rest = Vec::new();
    reading.read_to_end(&mut rest).await.expect("the rest");
    assert!(rest.len() > 16 << 20, "{}", rest.len());
    timeout(LONG, &mut listener.serving).await.expect("an end").expect("no panic");
    for stream in [&mut idle, &mut half] {
        assert_eq!(timeout(LONG, TestResponse::read(stream)).await.expect("closed").status, 0);
    }
    assert!(TcpStream::connect(listener.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_clients_that_do_not_read() {
    let metrics = "x".repeat(16 << 20);
    let limits = ListenerLimits { stop: SHORT, response: LONG * 100, ..LIMITS };
    let mut listener =
        TestListener::with(FixedBackend { metrics, ..FixedBackend::default() }, settings(), limits).await;
    let mut lazy = listener.connect().await;
    lazy.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    assert_eq!(lazy.read(&mut [0; 1]).await.expect("the beginning"), 1);
    listener.stop.cancel();
    timeout(LONG, &mut listener.serving).await.expect("an end").expect("no panic");
}

#[tokio::test]
async fn a_connection_is_closed_after_its_time() {
    let listener = with_limits(ListenerLimits { life: SHORT, ..LIMITS }).await;
    let mut stream = listener.connect().await;
    let asking = async {
        loop {
            let sent = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            if sent.is_err() || !stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                return;
            }
        }
    };
    timeout(LONG, asking).await.expect("closed");
}

#[tokio::test]
async fn a_port_in_use_is_reported() {
    let listener = with_limits(LIMITS).await;
    let listen = listener.address.to_string().parse().expect("an address");
    let error = Listener::bind(&WebSettings { listen, ..settings() }).await.expect_err("taken");
    assert_eq!(error.to_string(), format!("cannot listen on {}", listener.address));
    assert!(error.remedy().contains("another program has this port"), "{}", error.remedy());
}

#[tokio::test]
async fn all_interfaces_include_loopback() {
    let listen = ":0".parse().expect("an address");
    let listener = TestListener::with(FixedBackend::default(), WebSettings { listen, ..settings() }, LIMITS).await;
    let mut stream = TcpStream::connect(("127.0.0.1", listener.address.port())).await.expect("a connection");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert_eq!(TestResponse::read(&mut stream).await.status, 200);
}
