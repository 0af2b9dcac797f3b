//! What users see: each problem with its place, message and help.
#![cfg(all(feature = "parquet", feature = "json", feature = "stdout"))] // what the samples use

mod files;
mod logins;
mod mistakes;
mod mutations;
mod problems;
mod reference;
mod schedules;
mod settings;
mod sources;
mod syntax;
mod web;

use std::fs;

use super::*;

const SINK: &str = "sinks: {w: {type: stdout}}\n";
const SECRET: &str = "s3cr3t/W0rd";

/// Loads the first of these files; problems name files relative to their directory.
fn load_files(files: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let loaded = load(Some(&dir.path().join(files[0].0)));
    loaded.map_err(|problems| problems.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

fn load_text(text: &str) -> Result<Config, String> {
    load_files(&[("m.yaml", text)])
}

/// One registry with these further lines, each under its keys.
fn load_registry(lines: &str) -> Result<RegistryConfig, String> {
    let text = format!("{SINK}registries:\n  - name: r\n    url: https://r.example\n{lines}");
    load_text(&text).map(|config| config.registries[0].clone())
}

#[track_caller]
fn assert_problems(text: &str, expected: &str) {
    assert_eq!(load_text(text).expect_err("problems"), expected.trim_matches('\n'), "\n{text}");
}
