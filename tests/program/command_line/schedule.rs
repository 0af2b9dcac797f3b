//! `stocktake schedule`: the next times of each registry, as text and as JSON, and how it ends.

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use serde_json::Value;
use stocktake::clock;

use crate::support::program::Workplace;

const YAML: &str = "time_zone: Asia/Kolkata
sinks: {out: {type: stdout}}
registries:
  - {name: quay, url: 'http://127.0.0.1:1', schedule: 0 2 * * *, jitter: 10m}
  - {name: by-hand, url: 'http://127.0.0.1:1'}
  - {name: quick, url: 'http://127.0.0.1:1', schedule: '*/5 * * * * *', time_zone: UTC}
  - {name: over, url: 'http://127.0.0.1:1', schedule: 0 0 0 1 1 * 2026}
";

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_next_five_times_are_json() {
    let before = clock::now();
    let place = Workplace::with(YAML);
    let ended = place.run(&["schedule", "--format", "json"]).await.exits(0);
    assert_eq!(ended.stderr, "");
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    let [quay, by_hand, quick, over] = &said["registries"].as_array().unwrap()[..] else { panic!("{said}") };
    assert_eq!((&quay["name"], &quay["schedule"]), (&"quay".into(), &"0 2 * * *".into()));
    assert_eq!((&quay["time_zone"], &quay["jitter_seconds"]), (&"Asia/Kolkata".into(), &341.into()));
    let next = quay["next"].as_array().unwrap();
    assert_eq!(next.len(), 5);
    for (slot, later) in next.iter().zip(&next[1..]) {
        assert_eq!(time(&later["slot"]) - time(&slot["slot"]), TimeDelta::days(1));
    }
    for slot in next {
        let (at, starts_at) = (time(&slot["slot"]), time(&slot["starts_at"]));
        assert_eq!((at.hour(), at.minute()), (20, 30), "02:00 in India");
        assert_eq!(starts_at - at, TimeDelta::seconds(341));
        assert!(slot["local"].as_str().unwrap().ends_with("T02:05:41+05:30") && time(&slot["local"]) == starts_at);
    }
    let first = time(&next[0]["starts_at"]);
    assert!(first > before && first - before <= TimeDelta::days(1) + TimeDelta::minutes(1), "{first}");
    assert_eq!((&by_hand["schedule"], &by_hand["next"]), (&Value::Null, &Value::Array(Vec::new())));
    assert!(time(&quick["next"][0]["slot"]) - before < TimeDelta::minutes(1));
    assert_eq!(over["next"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn the_next_times_are_a_table_for_people() {
    let place = Workplace::with(YAML);
    let before = place.tree(".");
    let ended = place.run(&["schedule"]).await.exits(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 1 + 5 + 1 + 5 + 1, "{}", ended.stdout);
    let header = ["registry", "schedule", "time", "zone", "jitter", "local", "utc"];
    assert!(lines[0].split_whitespace().eq(header), "{}", lines[0]);
    assert!(
        lines[1].starts_with(" quay ")
            && lines[1].contains(" 0 2 * * * ")
            && lines[1].contains(" Asia/Kolkata  341 s "),
        "{}",
        lines[1]
    );
    let column = lines[0].find("local").unwrap();
    for line in &lines[1..6] {
        // `Tue 2026-11-24 02:05:41 +05:30  2026-11-23 20:35:41`
        assert!(line.is_char_boundary(column) && line[..column].ends_with("  "), "{line}");
        assert_eq!((&line[column + 14..column + 30], line.len()), (" 02:05:41 +05:30", column + 51), "{line}");
        assert!(line.ends_with(" 20:35:41"), "{line}");
    }
    assert_eq!(lines[6].trim(), "by-hand   none: when asked");
    assert!(lines[12].starts_with(" over ") && lines[12].ends_with("never again"), "{}", lines[12]);
    assert_eq!(place.tree("."), before);

    let one = place.run(&["schedule", "by-hand"]).await.exits(0);
    assert_eq!(one.stdout.lines().count(), 2, "{}", one.stdout);
}

#[tokio::test]
async fn an_unknown_registry_is_a_usage_error_and_a_bad_expression_one_of_configuration() {
    let place = Workplace::with(YAML);
    let ended = place.run(&["schedule", "quai"]).await.exits(2);
    assert_eq!(ended.stdout, "");
    ended.says("no registry is named `quai`; there are: quay, by-hand, quick, over; did you mean `quay`?");
    place.configure(&YAML.replace("0 2 * * *", "0 25 * * *"));
    let ended = place.run(&["schedule"]).await.exits(78);
    assert_eq!(ended.stdout, "");
    ended.says("stocktake.yaml:4:55: `schedule`: hour: expected 0 to 23, found 25");
}
