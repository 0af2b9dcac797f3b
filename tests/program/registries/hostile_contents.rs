//! Tags, manifests and configurations made to fill a memory or a disk, to send a client elsewhere with credentials, or to
//! pass for what they are not, against the whole program: it ends, in bounded memory, with the right verdict and clean words.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fake_registry::{
    Authorization, FakeContents, FakeEndpoint, FakeRegistry, Holding, ManifestRules, Misbehaviour, OCI_IMAGE,
    OCI_INDEX, Script, sha256,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::support::inventory::{RunRow, last_run, table};
use crate::support::program::{Finished, LOGIN, Workplace, one_registry};
use crate::support::raw::{Raw, RawServer};

const MIB: u64 = 1 << 20;
/// Of a debug build.
const MOST_MEMORY: u64 = 200 * MIB;
/// What may be sent of a body that is not wanted: its cap, and what systems buffer on the way.
const MOST_SENT: u64 = 64 * MIB;
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn yaml(url: &url::Url, lines: &str) -> String {
    let sinks = "  feed: {type: json, url: ./feed}\n  console: {type: stdout, format: jsonl}\nregistries:";
    one_registry(url, &format!("    depth: manifests\n{lines}")).replace("registries:", sinks)
}

/// Runs to the end and watches the memory; checks what holds after every run.
async fn run(place: &Workplace) -> Finished {
    let running = place.start_with(&[("RUST_LOG", "stocktake=trace")], &["run"]);
    let status = format!("/proc/{}/status", running.pid);
    let most = Arc::new(AtomicU64::new(0));
    let seen = most.clone();
    let watching = tokio::spawn(async move {
        let mut tick = interval(Duration::from_millis(2));
        loop {
            tick.tick().await;
            let Ok(status) = fs::read_to_string(&status) else { return };
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
            seen.fetch_max(kilobytes * 1024, Ordering::SeqCst);
        }
    });
    let ended = timeout(Duration::from_mins(1), running.end()).await.expect("an end");
    watching.abort();
    let most = most.load(Ordering::SeqCst);
    assert!(0 < most && most < MOST_MEMORY, "{} MiB", most / MIB);
    assert_clean(place, &ended);
    ended
}

/// No control or invisible characters in what people read: output, and the messages of the run.
fn assert_clean(place: &Workplace, ended: &Finished) {
    let treacherous = |c: char| ['\u{202e}', '\u{200b}', '\u{9b}', '\u{1b}', '\0'].contains(&c);
    assert!(!ended.stdout.contains(treacherous) && !ended.stderr.contains(treacherous), "{}", ended.stderr);
    let row = last_run(&place.path("inventory"), "quay");
    assert!(!row.error_messages.iter().any(|message| message.contains(|c: char| c.is_control() || treacherous(c))));
    for name in place.tree(".").keys() {
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._=-".contains(&b)), "{name}");
    }
    for (name, bytes) in place.tree("feed").iter().filter(|(name, _)| name.contains(".jsonl.")) {
        let text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{name}");
    }
}

fn row(place: &Workplace) -> RunRow {
    last_run(&place.path("inventory"), "quay")
}

/// The state of each repository, by name.
fn states(place: &Workplace) -> Vec<(String, String)> {
    let rows = table(&place.path("inventory"), "quay", "repositories");
    let text = |row: &Value, column: &str| row[column].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "repository"), text(row, "state"))).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `a` is what the server makes of it, `b` an image like others.
async fn raw(answer: impl Fn(&str) -> Option<Raw> + Send + Sync + 'static) -> RawServer {
    let config = json!({"os": "linux", "architecture": "amd64"}).to_string();
    let image = json!({
        "schemaVersion": 2, "mediaType": OCI_IMAGE, "layers": [],
        "config": {"mediaType": CONFIG, "digest": sha256(config.as_bytes()), "size": config.len()},
    })
    .to_string();
    RawServer::start(move |target| {
        let json = |body: String| Raw::json("application/json", body);
        answer(target).unwrap_or_else(|| match target {
            "/v2/" => json("{}".to_owned()),
            target if target.starts_with("/v2/_catalog") => json(r#"{"repositories":["a","b"]}"#.to_owned()),
            target if target.contains("/tags/list") => json(r#"{"tags":["v1"]}"#.to_owned()),
            target if target.contains("/manifests/") => Raw::json(OCI_IMAGE, image.clone()),
            target if target.contains("/blobs/") => json(config.clone()),
            _ => Raw::Whole { status: 404, headers: String::new(), body: Vec::new() },
        })
    })
    .await
}

fn spaces(headers: &str) -> Raw {
    let piece = vec![b' '; 64 << 10];
    Raw::Endless { headers: headers.to_owned(), begin: b"{".to_vec(), piece, every: Duration::ZERO }
}

/// A few kilobytes for each mebibyte, for ever.
fn bomb(headers: &str) -> Raw {
    let headers = format!("content-encoding: gzip\r\n{headers}");
    Raw::Endless { headers, begin: gzip(b"{"), piece: gzip(&vec![b' '; 1 << 20]), every: Duration::ZERO }
}

#[tokio::test]
async fn bodies_without_end_and_bombs_are_cut_off_at_manifests_configurations_and_tags() {
    let image = format!("content-type: {OCI_IMAGE}\r\n");
    for (part, body) in [
        ("/v2/a/manifests/", spaces(&image)),
        ("/v2/a/manifests/", bomb(&image)),
        ("/v2/a/blobs/", spaces("")),
        ("/v2/a/blobs/", bomb("")),
        ("/v2/a/tags/", spaces("")),
        ("/v2/a/tags/", bomb("")),
    ] {
        let server = raw(move |target| target.starts_with(part).then(|| body.clone())).await;
        let place = Workplace::with(&yaml(&server.url(), "    auth: {type: none}\n"));
        run(&place).await.exits(3).says("gaps");
        assert_eq!(states(&place), [("a".into(), "error".into()), ("b".into(), "complete".into())], "{part}");
        let asked = server.asked().iter().filter(|target| target.starts_with(part)).count() as u64;
        assert!(asked == 1 && server.sent() < MOST_SENT, "{part}: {asked} times, {} bytes", server.sent());
        assert!(row(&place).error_codes.contains(&"protocol".to_owned()), "{part} {:?}", row(&place));
    }
}

#[tokio::test]
async fn a_byte_a_second_ends_at_the_timeout_and_not_in_the_morning() {
    let headers = format!("content-type: {OCI_IMAGE}\r\n");
    let server = raw(move |target| {
        let drip = |headers: &str| Raw::Endless {
            headers: headers.to_owned(),
            begin: b"{".to_vec(),
            piece: b" ".to_vec(),
            every: Duration::from_millis(200),
        };
        target.starts_with("/v2/a/manifests/").then(|| drip(&headers))
    })
    .await;
    let place = Workplace::with(&yaml(&server.url(), "    auth: {type: none}\n    timeout: 1s\n"));
    run(&place).await.exits(3).says("gaps");
    assert_eq!(states(&place), [("a".into(), "error".into()), ("b".into(), "complete".into())]);
    assert_eq!(server.asked().iter().filter(|target| target.starts_with("/v2/a/manifests/")).count(), 6);
}

#[tokio::test]
async fn tags_without_end_end() {
    // As many as a page may hold, on page after page.
    let server = raw(|target| {
        let from = target.strip_prefix("/v2/a/tags/list?")?;
        let from: u64 = from.split_once("last=").map_or(0, |(_, last)| last.parse().unwrap());
        let tags: Vec<String> = (from..from + 20_000).map(|number| format!("tag-{number:020}")).collect();
        let headers = format!(
            "link: </v2/a/tags/list?last={}>; rel=\"next\"\r\ncontent-type: application/json\r\n",
            from + 20_000
        );
        Some(Raw::Whole { status: 200, headers, body: json!({ "tags": tags }).to_string().into_bytes() })
    })
    .await;
    let place = Workplace::with(&yaml(&server.url(), "    auth: {type: none}\n"));
    run(&place).await.exits(3).says("gaps");
    assert_eq!(states(&place), [("a".into(), "error".into()), ("b".into(), "complete".into())]);
    assert!(row(&place).error_codes.contains(&"endless".to_owned()), "{:?}", row(&place));
}

#[tokio::test]
async fn a_realm_on_another_host_gets_no_credentials() {
    let thief = FakeRegistry::start(Script::open(["a"])).await.unwrap();
    let realm = thief.url().join("/token").unwrap().to_string().replace("127.0.0.1", "localhost");
    let contents = FakeContents::uniform(1);
    let script = Script { contents, ..Script::distribution_like(["a"]) };
    let server = FakeRegistry::start(script.with_token(|token| token.realm = Some(realm))).await.unwrap();
    let place = Workplace::with(&yaml(&server.url(), LOGIN));
    let ended = run(&place).await;
    assert!(matches!(ended.code, Some(1 | 4)), "{}", ended.stderr);
    ended.says("localhost").says("realm_hosts");
    assert!(thief.requests().is_empty());
}

#[tokio::test]
async fn a_tag_link_elsewhere_is_not_followed() {
    let thief = FakeRegistry::start(Script::open(["a"])).await.unwrap();
    let link = format!("<{}v2/a/tags/list?last=x>; rel=\"next\"", thief.url());
    let script = Script { contents: FakeContents::uniform(1), ..Script::distribution_like(["a", "b"]) };
    let script = script.with_faults(move |seen, _| {
        let bearer = seen.authorization == Authorization::Bearer;
        let meant = bearer && seen.path() == "/v2/a/tags/list";
        meant.then(|| Misbehaviour::status(200).header("link", &link).body(r#"{"tags":["v0"]}"#))
    });
    let server = FakeRegistry::start(script).await.unwrap();
    let place = Workplace::with(&yaml(&server.url(), LOGIN));
    run(&place).await.exits(3).says("another scheme, host or port");
    assert_eq!(states(&place), [("a".into(), "error".into()), ("b".into(), "complete".into())]);
    assert!(thief.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_of_a_configuration_carries_no_credentials() {
    let mut image = Value::Null;
    let contents = FakeContents::default().with("a", |held| {
        image = held.image("linux/amd64", "a");
        held.tag_as("v1", &image);
    });
    let storage = FakeRegistry::start(Script { contents: contents.clone(), ..Script::open(["a"]) }).await.unwrap();
    let location = format!("{}{{path}}?signature=x", storage.url().as_str().trim_end_matches('/'));
    let manifests = ManifestRules { blobs_at: Some(location), ..ManifestRules::default() };
    let server = Script { contents, manifests, ..Script::distribution_like(["a"]) };
    let server = FakeRegistry::start(server).await.unwrap();
    let place = Workplace::with(&yaml(&server.url(), LOGIN));
    run(&place).await.exits(0).says("complete");
    let asked = storage.requests();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].header("authorization").is_none() && asked[0].header("cookie").is_none(), "{:?}", asked[0]);
    assert_eq!(server.requests_to(FakeEndpoint::Blob)[0].authorization, Authorization::Bearer);
    assert_eq!(table(&place.path("inventory"), "quay", "manifests")[0]["os"], "linux");
}

#[tokio::test]
async fn hostile_tags_are_left_out_and_shown_escaped() {
    let tags = r#"["v0","..","../../x","a\u0000b","\u001b[2Jred","\u202egnp.exe","line\nquay complete 9","zero\u200b",".hidden","-x","=cmd|'/C calc'!A0",""]"#;
    let body = format!("{{\"name\":\"a\",\"tags\":{tags}}}");
    let script = Script { contents: FakeContents::uniform(1), ..Script::open(["a", "b"]) };
    let script = script.with_faults(move |seen, _| {
        (seen.path() == "/v2/a/tags/list").then(|| Misbehaviour::status(200).body(body.clone()))
    });
    let server = FakeRegistry::start(script).await.unwrap();
    let place = Workplace::with(&yaml(&server.url(), "    auth: {type: none}\n"));
    let ended = run(&place).await;
    assert!(!ended.stderr.lines().any(|line| line.starts_with("quay complete")), "{}", ended.stderr);
    let tags = table(&place.path("inventory"), "quay", "tags");
    assert_eq!(tags.iter().map(|row| row["tag"].as_str().unwrap()).collect::<Vec<_>>(), ["v0", "v0"]);
    let row = row(&place);
    assert!(row.error_codes.contains(&"tag_invalid".to_owned()), "{row:?}");
    let asked: Vec<_> = server.requests_to(FakeEndpoint::Manifest).iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
}

/// One repository `a` of this content beside an image of `b`; the run's row.
async fn with(fill: impl FnOnce(&mut Holding)) -> (Workplace, Finished, RunRow, FakeRegistry) {
    let contents = FakeContents::uniform(1).with("a", fill);
    let server = FakeRegistry::start(Script { contents, ..Script::open(["a", "b"]) }).await.unwrap();
    let place = Workplace::with(&yaml(&server.url(), "    auth: {type: none}\n"));
    let ended = run(&place).await;
    let row = row(&place);
    (place, ended, row, server)
}

fn child(number: u64) -> Value {
    json!({"mediaType": OCI_IMAGE, "digest": sha256(&number.to_be_bytes()), "size": 7})
}

fn layers(count: u64) -> Vec<Value> {
    (0..count).map(|n| json!({"digest": sha256(&n.to_be_bytes()), "size": 1})).collect()
}

fn image_of(config: &Value, rest: &Value) -> String {
    let mut image = json!({"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": config, "layers": []});
    for (key, value) in rest.as_object().unwrap() {
        image[key] = value.clone();
    }
    image.to_string()
}

#[tokio::test]
async fn an_index_that_seems_to_list_itself_or_lies_is_noted_once() {
    let (place, ended, row, server) = with(|held| {
        let index = held.index(OCI_INDEX, &[child(1)]);
        // Under its digest stands an index that lists that very digest.
        let itself = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [index]}).to_string();
        held.corrupt(&index, itself);
        held.tag_as("loop", &index);
        let image = held.image("linux/amd64", "lie");
        held.corrupt(&image, r#"{"schemaVersion":2}"#);
        held.tag_as("lie", &image);
    })
    .await;
    ended.exits(3).says("gaps");
    assert_eq!(states(&place)[0], ("a".into(), "error".into()));
    assert!(row.error_codes.contains(&"corrupt".to_owned()), "{row:?}");
    assert!(server.count(FakeEndpoint::Manifest) < 10, "{}", server.count(FakeEndpoint::Manifest));
}

#[tokio::test]
async fn an_index_of_ten_thousand_and_an_image_of_a_hundred_thousand_layers_are_refused() {
    let (place, ended, row, server) = with(|held| {
        let index = held.index(OCI_INDEX, &(0..10_000).map(child).collect::<Vec<_>>());
        held.tag_as("index", &index);
        let config = json!({"mediaType": CONFIG, "digest": held.blob("{}"), "size": 2});
        for (tag, count) in [("many", 30_000), ("more", 100_000)] {
            let image = held.manifest(OCI_IMAGE, image_of(&config, &json!({"layers": layers(count)})));
            held.tag_as(tag, &image);
        }
    })
    .await;
    ended.exits(3).says("gaps");
    assert_eq!(states(&place)[0], ("a".into(), "error".into()));
    assert!(row.error_codes.contains(&"corrupt".to_owned()), "{row:?}");
    assert!(row.error_codes.contains(&"protocol".to_owned()), "{row:?}");
    assert!(server.count(FakeEndpoint::Manifest) < 10);
}

#[tokio::test]
async fn annotations_and_labels_of_megabytes_are_kept_as_far_as_the_readme_says_and_what_is_cut_is_noted() {
    let large = |entries: usize, size: usize| -> Value {
        (0..entries).map(|n| (format!("key-{n}"), json!(format!("\u{1b}[2J\u{202e}{}", "x".repeat(size))))).collect()
    };
    let (place, ended, run_row, _) = with(|held| {
        let labels = json!({"os": "linux", "config": {"Labels": large(7, 1 << 20)}}).to_string();
        let config = json!({"mediaType": CONFIG, "digest": held.blob(labels.clone()), "size": labels.len()});
        for (tag, annotations) in [("one", large(1, (4 << 20) - 2000)), ("many", large(3800, 1000))] {
            let image = held.manifest(OCI_IMAGE, image_of(&config, &json!({"annotations": annotations})));
            held.tag_as(tag, &image);
        }
    })
    .await;
    ended.exits(0).says("complete");
    let rows = table(&place.path("inventory"), "quay", "manifests");
    let of_a: Vec<_> = rows.iter().filter(|row| row["repository"] == "a").collect();
    assert_eq!(of_a.len(), 2);
    for row in of_a {
        let length = |column: &str| row[column].as_str().map_or(0, str::len) as u64;
        assert!(length("annotations_json") > 3 * MIB, "{}", length("annotations_json"));
        // Of seven labels of a mebibyte three are within four.
        assert_eq!(length("labels_json") / MIB, 3);
        assert_eq!(row["notes"].as_array().unwrap().len(), 1);
        assert!(row["notes"][0].as_str().unwrap().starts_with("labels_cut: 4 of the labels"), "{}", row["notes"]);
    }
    assert!(run_row.error_codes.contains(&"labels_cut".to_owned()), "{run_row:?}");
}
