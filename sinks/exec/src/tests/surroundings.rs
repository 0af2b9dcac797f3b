//! What a plugin finds: arguments, environment, directory, descriptors, signals.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::*;

/// What a plugin wrote to this file before it answered.
async fn seen_by(place: &PluginBench, sink: &ExecSink, snapshot: &Snapshot) -> String {
    sink.publish(snapshot).await.unwrap_or_else(|e| panic!("{}", told(&e)));
    fs::read_to_string(place.path("seen")).unwrap()
}

#[tokio::test]
async fn a_plugin_gets_named_variables_and_no_others() {
    let place = PluginBench::new();
    let plugin = place.script(&format!("env > {}\n{ANSWER}", place.path("seen").display()));
    let names = |sink: &str| {
        let mut names: Vec<_> = sink.lines().filter_map(|line| line.split('=').next()).map(str::to_owned).collect();
        // The shell's own.
        names.retain(|name| !["_", "SHLVL", "OLDPWD", "PWD"].contains(&name.as_str()));
        names
    };
    let found = names(&seen_by(&place, &ExecSink::new(place.settings(&plugin)), &snapshot()).await);
    let basic = [
        "HOME",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "PATH",
        "SHELL",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "TZ",
        "USER",
    ];
    let odd =
        |name: &&String| !basic.contains(&name.as_str()) && !name.starts_with("LC_") && !name.starts_with("STOCKTAKE_");
    assert_eq!(found.iter().filter(odd).collect::<Vec<_>>(), Vec::<&String>::new());
    let mut ours: Vec<_> = found.iter().filter(|name| name.starts_with("STOCKTAKE_")).map(String::as_str).collect();
    ours.sort_unstable();
    let expected = ["GENERATION", "PROGRAM", "PROTOCOL", "REGISTRY", "RUN_ID", "SNAPSHOT"];
    assert_eq!(ours, expected.map(|name| format!("STOCKTAKE_{name}")));

    // This process has variables of cargo. One is named, others by their beginning.
    let environment = vec!["CARGO_PKG_NAME".to_owned(), "CARGO_MANIFEST*".to_owned()];
    let settings = ExecSettings { environment, ..place.settings(&plugin) };
    let found = names(&seen_by(&place, &ExecSink::new(settings), &snapshot()).await);
    let mut cargo: Vec<_> = found.iter().filter(|name| name.starts_with("CARGO")).map(String::as_str).collect();
    cargo.sort_unstable();
    let is_passed = |name: &String| name == "CARGO_PKG_NAME" || name.starts_with("CARGO_MANIFEST");
    let mut expected: Vec<_> = std::env::vars().map(|(name, _)| name).filter(is_passed).collect();
    expected.sort_unstable();
    assert!(cargo == expected && cargo.len() > 1, "{cargo:?} {expected:?}");
}

#[tokio::test]
async fn a_plugin_gets_its_arguments_and_then_the_directory_and_knows_the_snapshot() {
    let place = PluginBench::new();
    let seen = place.path("seen");
    let plugin = place.script(&format!(
        "for last; do :; done\n\
         printf '%s|' \"$@\" \"$STOCKTAKE_SNAPSHOT\" $STOCKTAKE_REGISTRY $STOCKTAKE_RUN_ID $STOCKTAKE_GENERATION \
         $STOCKTAKE_PROTOCOL \"$PWD\" \"$(stat -c %a \"$last/..\")\" \"$(cat)\" > {}\nset -- \"$last\"\n{ANSWER}",
        seen.display()
    ));
    let settings = ExecSettings::new(plugin.to_str().unwrap(), &["--table", "a b; $HOME"], &place.path("exec"));
    let settings = ExecSettings { working_directory: Some(place.path("")), ..settings };
    let seen = seen_by(&place, &ExecSink::new(settings), &snapshot()).await;
    let words: Vec<_> = seen.split('|').collect();
    let directory = words[2];
    assert!(Path::new(directory).is_absolute() && directory.ends_with("-quay/quay-20261123T030000Z.g1"), "{directory}");
    let root = place.path("").canonicalize().unwrap().display().to_string();
    assert_eq!(words[..2], ["--table", "a b; $HOME"]);
    assert_eq!(
        words[3..],
        [directory, "quay", "quay-20261123T030000Z", "1", "1", root.trim_end_matches('/'), "700", "", ""]
    );
}

#[tokio::test]
async fn the_manifest_says_what_lies_in_the_directory() {
    let place = PluginBench::new();
    let plugin = place.script(&format!("cat \"$1/manifest.json\" > {}\n{ANSWER}", place.path("seen").display()));
    let seen = seen_by(&place, &ExecSink::new(place.settings(&plugin)), &snapshot()).await;
    let mut manifest: Value = serde_json::from_str(&seen).unwrap();
    let objects = manifest["objects"].take();
    let keys =
        ["table", "key", "rows"].map(|name| objects.as_array().unwrap().iter().map(|o| o[name].clone()).collect());
    let [tables, files, rows]: [Vec<Value>; 3] = keys;
    assert_eq!(tables, ["repositories", "tags", "manifests", "runs"].map(Value::from));
    assert_eq!(files, ["repositories.parquet", "tags.parquet", "manifests.parquet", "runs.parquet"].map(Value::from));
    let sealed: Vec<_> = snapshot().tables().map(|table| Value::from(snapshot().rows(table))).collect();
    assert_eq!(rows, sealed);
    assert_eq!(
        manifest,
        json!({
            "protocol": 1, "run_id": "quay-20261123T030000Z", "generation": 1, "registry": "quay",
            "snapshot_date": "2026-11-23", "scheduled_at": "2026-11-23T03:00:00Z", "verdict": "complete",
            "finished_at": manifest["finished_at"], "schema_version": 1, "format": "parquet",
            "exporter_version": manifest["exporter_version"], "objects": null,
        })
    );
}

#[tokio::test]
async fn a_plugin_has_three_descriptors_and_no_signal_is_blocked_or_ignored() {
    let place = PluginBench::new();
    let seen = place.path("seen").display().to_string();
    let script = format!("ls /proc/self/fd > {seen}\ngrep -E '^Sig(Blk|Ign)' /proc/self/status >> {seen}\n{ANSWER}");
    let plugin = place.script(&script);
    // What this process has itself inherited from its parent.
    let inherited = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let number: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        // O_CLOEXEC
        let closes = u32::from_str_radix(flags.trim(), 8).ok()? & 0o2_000_000 != 0;
        (number > 2 && !closes).then_some(number)
    });
    // `ls` has the directory that it reads, as the first free number.
    let mut expected: BTreeSet<_> = [0, 1, 2].into_iter().chain(inherited).collect();
    expected.extend((3..1_000_u32).find(|number| !expected.contains(number)));
    let seen = seen_by(&place, &ExecSink::new(place.settings(&plugin)), &snapshot()).await;
    let words: Vec<_> = seen.split_whitespace().collect();
    let (descriptors, signals) = words.split_at(words.iter().position(|word| word.starts_with("Sig")).unwrap());
    let found: BTreeSet<u32> = descriptors.iter().map(|number| number.parse().unwrap()).collect();
    assert_eq!(found, expected);
    // Rust ignores SIGPIPE (13); a plugin does not. The other classic signals are as this process has inherited them.
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let classic = |mask: &str| u64::from_str_radix(mask.trim(), 16).unwrap() & 0x7fff_ffff;
    assert_eq!((signals[0], signals[2]), ("SigBlk:", "SigIgn:"));
    assert_eq!((classic(signals[1]), classic(signals[3])), (0, classic(own) & !(1 << 12)));
}
