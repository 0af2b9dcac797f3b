//! Inventories in a bucket on a real S3 server: delivery, independent readers, and what happens without the bucket.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use fake_registry::{FakeRegistry, RepositoryNames, Script};
use serde_json::Value;
use stocktake_store::testing::{BucketFate, BucketServer};
use tokio::process::Command;
use tokio::time::Instant;

use crate::support::bucket::{PREFIX, empty, mirror, moto, runs, sink, unnamed, with_sink};
use crate::support::daemon::Daemon;
use crate::support::inventory::{latest, manifests, repositories, table};
use crate::support::program::{LOGIN, Workplace, one_registry};
use crate::support::python;

const COUNT: usize = 300;

async fn registry() -> (FakeRegistry, RepositoryNames) {
    let names = RepositoryNames::generated(COUNT, 3);
    (FakeRegistry::start(Script::quay_like(names.clone())).await.unwrap(), names)
}

/// A place that delivers to a directory and, by way of this endpoint, to the bucket.
fn place(registry: &FakeRegistry, server: &BucketServer, endpoint: &str) -> Workplace {
    let place = Workplace::new();
    let sink = sink(&place, server, endpoint);
    place.configure(&with_sink(&one_registry(&registry.url(), LOGIN), &sink));
    place
}

#[tokio::test]
async fn a_run_delivers_to_a_bucket_what_it_delivers_to_a_directory_and_pyarrow_reads_it() {
    let ((registry, names), server) = (registry().await, moto().await);
    let place = place(&registry, &server, &server.endpoint());
    let told = place.run(&["run", "--dry-run"]).await.exits(0);
    assert_eq!(runs(mirror(&server).await.path()), [""; 0], "{}", told.stderr);
    place
        .run(&["run"])
        .await
        .exits(0)
        .says(&format!("quay → bucket: s3://inv/{PREFIX}/v1/repositories/registry=quay/"));
    let bucket = mirror(&server).await;
    let local = place.path("inventory");
    assert!(latest(bucket.path(), "quay").is_some());
    assert_eq!(repositories(bucket.path(), "quay"), repositories(&local, "quay"));
    for of in ["repositories", "runs", "changes"] {
        assert_eq!(table(bucket.path(), "quay", of), table(&local, "quay", of), "{of}");
    }
    assert_eq!(unnamed(bucket.path()), [].into());

    // Another program reads the bucket itself, by the names that stay the same every night.
    let read = "import json, sys, pyarrow.dataset, pyarrow.fs\n\
        s3 = pyarrow.fs.S3FileSystem(access_key='k', secret_key='s', endpoint_override=sys.argv[1], region='us-east-1')\n\
        data = pyarrow.dataset.dataset(sys.argv[2], filesystem=s3, partitioning='hive')\n\
        print(json.dumps(data.to_table().column('repository').to_pylist()))";
    let mut command = Command::new(python());
    let endpoint = server.endpoint();
    command.args(["-c", read, &endpoint, &format!("inv/{PREFIX}/v1/latest/repositories")]).kill_on_drop(true);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(seen.iter().map(String::as_str).eq(names.iter()), "{} names", seen.len());
}

#[tokio::test]
async fn check_says_what_is_wrong_with_a_bucket_and_leaves_nothing() {
    let ((registry, _), server) = (registry().await, moto().await);
    let place = place(&registry, &server, &server.endpoint());
    let report = place.run(&["check"]).await.exits(0);
    assert!(report.stdout.contains("sink bucket: s3://inv/inventory"), "{}", report.stdout);
    assert_eq!(std::fs::read_dir(mirror(&server).await.path()).unwrap().count(), 0);
    place.run(&["validate", "--syntax-only"]).await.exits(0);

    let sound = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
    let yaml = sound.replace("s3://inv/", "s3://typo/");
    place.configure(&yaml);
    let report = place.run(&["check"]).await.exits(1);
    assert!(report.stdout.contains("there is no such bucket at"), "{}", report.stdout);
    assert!(report.stdout.contains("create the bucket, or correct `url`"), "{}", report.stdout);

    // A login that others can read is refused as every secret is, before anything is sent.
    place.configure(&sound);
    std::fs::set_permissions(place.path("bucket-login"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let told = place.run(&["validate"]).await.exits(78);
    assert!(told.stderr.contains("`credentials_file`: the secret file"), "{}", told.stderr);
    let told = place.run(&["run"]).await;
    assert!(told.stderr.contains("cannot read the secret that `credentials_file` names"), "{}", told.stderr);
}

/// Runs without the bucket: the directory has the night, the message names what to do within a minute; and the next run,
/// with the bucket, delivers it.
async fn owes_a_night(fate: BucketFate, cause: &str, remedy: &str) {
    let ((registry, _), server) = (registry().await, moto().await);
    let is_away = Arc::new(AtomicBool::new(true));
    let away = is_away.clone();
    let proxy = server.proxy(move |_| if away.load(Ordering::SeqCst) { fate.clone() } else { BucketFate::Pass });
    let place = place(&registry, &server, &proxy.endpoint());
    let begun = Instant::now();
    let told = place.run(&["run"]).await.exits(1).says(cause).says(remedy).says("the next run delivers it");
    assert!(begun.elapsed().as_secs() < 60, "{:?}: {}", begun.elapsed(), told.stderr);
    let local = manifests(&place.path("inventory"), "quay");
    assert_eq!(local.len(), 1, "the other sink is done");
    is_away.store(false, Ordering::SeqCst);
    place.run(&["run"]).await.exits(0);
    let bucket = mirror(&server).await;
    let (bucket, local) = (runs(bucket.path()), manifests(&place.path("inventory"), "quay"));
    assert_eq!(bucket, local.iter().map(|one| one["run_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
    assert_eq!(bucket.len(), 2);
}

#[tokio::test]
async fn a_silent_bucket_is_given_up_within_a_minute_and_gets_its_night_later() {
    owes_a_night(BucketFate::Hang, "no answer from http://127.0.0.1", "raise `timeout` in `options`").await;
}

#[tokio::test]
async fn a_bucket_that_is_gone_gets_its_night_when_it_is_back() {
    let body = "<Error><Code>NoSuchBucket</Code></Error>".to_owned();
    owes_a_night(BucketFate::Answer(404, body), "there is no such bucket at", "create the bucket, or correct `url`")
        .await;
}

#[tokio::test]
async fn a_bucket_whose_credentials_have_expired_gets_its_night_with_new_ones() {
    let body = "<Error><Code>ExpiredToken</Code></Error>".to_owned();
    owes_a_night(BucketFate::Answer(400, body), "the credentials have expired", "put new ones where the sink reads")
        .await;
}

#[tokio::test]
async fn a_bucket_that_goes_silent_in_the_middle_of_a_delivery_is_given_up_within_a_minute() {
    let ((registry, _), server) = (registry().await, moto().await);
    let is_silent = AtomicBool::new(false);
    let proxy = server.proxy(move |request| {
        let is_object = request.method == "PUT" && request.target.contains("/v1/repositories/");
        let silent = is_silent.fetch_or(is_object, Ordering::SeqCst) || is_object;
        assert!(silent || request.method != "PUT" || !request.target.contains("/v1/_runs/"), "no manifest before");
        if silent { BucketFate::Hang } else { BucketFate::Pass }
    });
    let place = place(&registry, &server, &proxy.endpoint());
    let yaml = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
    place.configure(&yaml.replace("aws_region: 'us-east-1'", "aws_region: 'us-east-1', timeout: 2s"));
    let begun = Instant::now();
    place.run(&["run"]).await.exits(1).says("no answer from http://127.0.0.1").says("the next run delivers it");
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    assert_eq!(runs(mirror(&server).await.path()), [""; 0]);
    assert_eq!(manifests(&place.path("inventory"), "quay").len(), 1, "the other sink is done");
}

#[tokio::test]
async fn a_daemon_takes_up_a_bucket_by_a_reload_and_delivers_to_it() {
    let ((registry, _), server) = (registry().await, moto().await);
    let place = place(&registry, &server, &server.endpoint());
    let bucket = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
    let without: String =
        bucket.lines().filter(|line| !line.contains("  bucket:")).fold(String::new(), |all, line| all + line + "\n");
    let listen = "listen: 127.0.0.1:0\nschedule: \"* * * * * *\"\n";
    place.configure(&format!("{listen}{without}"));
    let mut daemon = Daemon::start(&place).await;
    daemon.running.says_times("is complete", 1).await;
    assert_eq!(runs(mirror(&server).await.path()), [""; 0]);
    place.configure(&format!("{listen}{bucket}"));
    daemon.running.signal("HUP").await;
    daemon.running.says_times("the configuration is reloaded", 1).await;
    // The night before is delivered to the new sink, then the next one.
    daemon.running.says_times("bucket does not have quay-", 1).await;
    let complete = daemon.running.says_times("is complete", 1).await.matches("is complete").count();
    daemon.running.says_times("is complete", complete + 1).await;
    daemon.stop().await.exits(0);
    let bucket = mirror(&server).await;
    assert_eq!(repositories(bucket.path(), "quay").len(), COUNT);
}

/// What a manifest says of rows.
fn rows(manifest: &Value) -> Vec<(String, u64)> {
    let objects = manifest["objects"].as_array().unwrap().iter();
    objects.map(|object| (object["table"].as_str().unwrap().to_owned(), object["rows"].as_u64().unwrap())).collect()
}

/// Asserts that the bucket and the directory have the same runs with the same counts, and nothing else.
async fn agree(server: &Arc<BucketServer>, local: &Path) {
    let bucket = mirror(server).await;
    let ours: Vec<_> = manifests(local, "quay").iter().map(|m| (m["run_id"].clone(), rows(m))).collect();
    let theirs: Vec<_> = manifests(bucket.path(), "quay").iter().map(|m| (m["run_id"].clone(), rows(m))).collect();
    assert_eq!(theirs, ours);
    assert_eq!(unnamed(bucket.path()), [].into());
    assert_eq!(repositories(bucket.path(), "quay"), repositories(local, "quay"));
}

/// A request that is named in the protocol, in words.
fn step(method: &str, target: &str) -> &'static str {
    let is = |part: &str| target.contains(part);
    match method {
        _ if is("_probe") => "probe",
        "PUT" if is("/v1/_runs/") => "manifest",
        "PUT" if is("/v1/latest/") => "latest",
        "PUT" if is("/v1/_latest/") => "pointer",
        "PUT" => "object",
        _ => "question",
    }
}

/// Kills a run at the request of this number, once the server has answered it and this time has passed; then lets a run
/// complete what is there. Returns the step at which it was killed.
async fn killed_at(at: usize, later: Duration, server: &Arc<BucketServer>, registry: &FakeRegistry) -> &'static str {
    let (died, mut deaths) = tokio::sync::mpsc::unbounded_channel();
    let (victim, pid) = tokio::sync::watch::channel(0_u32);
    let proxy = server.proxy_that_tells(move |request| {
        if request.number == at {
            let (_hold, wait) = mpsc::channel::<()>();
            let _ = wait.recv_timeout(later);
            let pid = *pid.borrow();
            let kill = std::process::Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status();
            assert!(kill.unwrap().success());
            died.send(step(&request.method, &request.target)).unwrap();
        }
    });
    let place = place(registry, server, &proxy.endpoint());
    let running = place.start(&["run"]);
    victim.send(running.pid).unwrap();
    let step = deaths.recv().await.unwrap();
    assert_eq!(running.end().await.code, None, "request {at}");
    assert!(runs(mirror(server).await.path()).len() <= 1);
    drop(proxy);
    let direct = sink(&place, server, &server.endpoint());
    place.configure(&with_sink(&one_registry(&registry.url(), LOGIN), &direct));
    place.run(&["run"]).await.exits(0);
    let all = manifests(&place.path("inventory"), "quay");
    assert_eq!(all.len(), 2, "request {at}");
    agree(server, &place.path("inventory")).await;
    step
}

#[tokio::test]
async fn a_kill_after_any_request_leaves_what_the_next_run_completes_exactly_once() {
    let ((registry, _), server) = (registry().await, moto().await);
    // How many requests a delivery has.
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let proxy = server.proxy_that_tells(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    place(&registry, &server, &proxy.endpoint()).run(&["run"]).await.exits(0);
    let requests = count.load(Ordering::SeqCst);
    assert!(requests >= 15, "{requests}");

    let mut killed = BTreeMap::<_, usize>::new();
    for at in 0..requests {
        empty(&server).await;
        *killed.entry(killed_at(at, Duration::ZERO, &server, &registry).await).or_default() += 1;
    }
    let steps: Vec<_> = killed.keys().copied().collect();
    assert_eq!(steps, ["latest", "manifest", "object", "pointer", "probe", "question"], "{killed:?}");
    // And while the server still works on the request after it, or the program on the answer.
    for _ in 0..8 {
        empty(&server).await;
        let later = Duration::from_micros(fastrand::u64(0..20_000));
        killed_at(fastrand::usize(0..requests), later, &server, &registry).await;
    }
}
