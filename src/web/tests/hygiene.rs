//! Clients who are slow, many, greedy or gone.

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::*;

const SHORT: Duration = Duration::from_millis(300);
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

async fn with_bounds(bounds: Bounds) -> Rig {
    Rig::with(Known::default(), settings(), bounds).await
}

#[tokio::test]
async fn a_client_who_does_not_finish_his_request_is_cut_off() {
    let rig = with_bounds(Bounds { request: SHORT, ..BOUNDS }).await;
    for part in ["", "GET", "GET / HTTP/1.1\r\nHost: localhost\r\nX: "] {
        let began = Instant::now();
        let answer = timeout(LONG, rig.raw(part)).await.expect("cut off");
        assert!(answer.status == 0 || answer.status == 408, "{answer:?}");
        assert!(began.elapsed() >= SHORT, "{part}");
    }
    // A byte now and then does not help.
    let mut stream = rig.connect().await;
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
async fn a_connection_that_is_not_used_is_closed_after_its_answers() {
    let rig = with_bounds(Bounds { request: SHORT, ..BOUNDS }).await;
    let mut stream = rig.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        let mut byte = [0; 4096];
        assert!(stream.read(&mut byte).await.expect("an answer") > 0);
    }
    assert_eq!(timeout(LONG, Answer::read(&mut stream)).await.expect("closed").status, 0);
}

#[tokio::test]
async fn a_client_who_does_not_take_his_answer_is_cut_off_and_others_are_not() {
    let metrics = "x".repeat(16 << 20);
    let rig = Rig::with(Known { metrics, ..Known::default() }, settings(), Bounds { answer: SHORT, ..BOUNDS }).await;
    // More than there may be large answers at once.
    let mut lazy = Vec::new();
    for _ in 0..5 {
        let mut stream = rig.connect().await;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        lazy.push(stream);
    }
    let answer = timeout(LONG, rig.get("/")).await.expect("an answer");
    assert_eq!(answer.status, 200);
    // Whoever of them came first was cut off, and made room; those that came later may be read to their end by now.
    let mut cut_off = 0;
    for mut stream in lazy {
        let mut taken = Vec::new();
        let read = timeout(LONG, stream.read_to_end(&mut taken)).await.expect("an end");
        cut_off += usize::from(read.is_err() || taken.len() < 16 << 20);
    }
    assert!(cut_off > 0, "all took their answers");
}

#[tokio::test]
async fn one_more_than_all_places_waits_for_one() {
    let rig = with_bounds(Bounds { connections: 2, ..BOUNDS }).await;
    let idle = [rig.connect().await, rig.connect().await];
    // Accepted connections are those that were answered.
    let mut idle = idle;
    for stream in &mut idle {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        assert!(stream.read(&mut [0; 4096]).await.expect("an answer") > 0);
    }
    let mut third = rig.connect().await;
    third.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(timeout(SHORT, third.read(&mut [0; 1])).await.is_err(), "no place");
    drop(idle);
    assert_eq!(timeout(LONG, third.read(&mut [0; 1])).await.expect("a place").expect("an answer"), 1);
}

#[tokio::test]
async fn hundreds_come_at_once_and_all_are_answered() {
    let rig = std::sync::Arc::new(with_bounds(BOUNDS).await);
    let mut clients = JoinSet::new();
    for nth in 0..400 {
        let rig = rig.clone();
        clients.spawn(async move { rig.get(["/", "/metrics", "/healthz"][nth % 3]).await.status });
    }
    let statuses = timeout(LONG * 2, clients.join_all()).await.expect("all");
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[tokio::test]
async fn heads_are_bounded_and_bodies_are_not_read() {
    let rig = with_bounds(BOUNDS).await;
    let long = format!("X: {}\r\n", "x".repeat(64 * 1024));
    assert_eq!(rig.ask("GET", "/healthz", &long).await.status, 431);
    assert_eq!(rig.ask("GET", "/healthz", &"X: y\r\n".repeat(200)).await.status, 431);
    let mut stream = rig.connect().await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nbegin")
        .await
        .expect("sent");
    let answer = timeout(LONG, Answer::read(&mut stream)).await.expect("closed");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
}

#[tokio::test]
async fn what_is_no_http_harms_nobody() {
    let rig = with_bounds(BOUNDS).await;
    for garbage in [
        "\u{16}\u{3}\u{1}",
        "SSH-2.0-x\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\r\n\r\n\r\n\u{0}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = rig.connect().await;
        stream.write_all(garbage.as_bytes()).await.expect("sent");
        stream.shutdown().await.expect("half closed");
        let answer = timeout(LONG, Answer::read(&mut stream)).await.expect("closed");
        assert_ne!(answer.status, 200, "{garbage}");
    }
    assert_eq!(rig.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn told_to_stop_it_gives_the_answers_that_are_open_and_ends() {
    let metrics = "x".repeat(16 << 20);
    let bounds = Bounds { request: SHORT * 3, stop: LONG, ..BOUNDS };
    let mut rig = Rig::with(Known { metrics, ..Known::default() }, settings(), bounds).await;
    let mut reading = rig.connect().await;
    reading.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    assert_eq!(reading.read(&mut [0; 1]).await.expect("the beginning"), 1);
    let (mut idle, mut half) = (rig.connect().await, rig.connect().await);
    half.write_all(b"GET /").await.expect("sent");
    rig.stop.cancel();
    let mut rest = Vec::new();
    reading.read_to_end(&mut rest).await.expect("the rest");
    assert!(rest.len() > 16 << 20, "{}", rest.len());
    timeout(LONG, &mut rig.serving).await.expect("an end").expect("no panic");
    for stream in [&mut idle, &mut half] {
        assert_eq!(timeout(LONG, Answer::read(stream)).await.expect("closed").status, 0);
    }
    assert!(TcpStream::connect(rig.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn told_to_stop_it_does_not_wait_for_those_who_do_not_read() {
    let metrics = "x".repeat(16 << 20);
    let bounds = Bounds { stop: SHORT, answer: LONG * 100, ..BOUNDS };
    let mut rig = Rig::with(Known { metrics, ..Known::default() }, settings(), bounds).await;
    let mut lazy = rig.connect().await;
    lazy.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    assert_eq!(lazy.read(&mut [0; 1]).await.expect("the beginning"), 1);
    rig.stop.cancel();
    timeout(LONG, &mut rig.serving).await.expect("an end").expect("no panic");
}

#[tokio::test]
async fn a_connection_has_a_bounded_life() {
    let rig = with_bounds(Bounds { life: SHORT, ..BOUNDS }).await;
    let mut stream = rig.connect().await;
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
async fn a_port_that_is_taken_says_so() {
    let rig = with_bounds(BOUNDS).await;
    let listen = rig.address.to_string().parse().expect("an address");
    let error = Listener::bind(&WebSettings { listen, ..settings() }).await.expect_err("taken");
    assert_eq!(error.to_string(), format!("listen on {}", rig.address));
    assert!(error.remedy().contains("another program has this port"), "{}", error.remedy());
}

#[tokio::test]
async fn every_interface_is_loopback_too() {
    let listen = ":0".parse().expect("an address");
    let rig = Rig::with(Known::default(), WebSettings { listen, ..settings() }, BOUNDS).await;
    let mut stream = TcpStream::connect(("127.0.0.1", rig.address.port())).await.expect("a connection");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert_eq!(Answer::read(&mut stream).await.status, 200);
}
