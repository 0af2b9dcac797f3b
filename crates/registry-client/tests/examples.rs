//! The examples run against the scripted registry, and the README shows their code.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use fake_registry::{FakeContents, FakeRegistry, OCI_INDEX, PASSWORD, Script, USERNAME};
use tempfile::NamedTempFile;

#[allow(dead_code)] // `main`
#[path = "../examples/inspect_image.rs"]
pub mod inspect_image;
#[allow(dead_code)] // `main`
#[path = "../examples/list_catalog.rs"]
pub mod list_catalog;

#[tokio::test]
async fn list_catalog_logs_in_and_lists_all_pages() {
    let names: Vec<String> = (0..250).map(|number| format!("acme/app-{number:03}")).collect();
    let server = FakeRegistry::start(Script::quay_like(names.as_slice())).await.expect("a port");
    let mut password = NamedTempFile::new().expect("a file");
    password.write_all(PASSWORD.as_bytes()).expect("written");
    let path = password.path().to_str().expect("a path of text");
    let listed = list_catalog::list_catalog(server.url().as_str(), USERNAME, path).await.expect("a list");
    assert_eq!(listed, names);
}

#[tokio::test]
async fn inspect_image_reads_the_configuration_behind_a_tag_and_behind_an_index() {
    let contents = FakeContents::default().with("acme/app", |repository| {
        let images = [repository.image("linux/arm64/v8", "arm"), repository.image("linux/amd64", "intel")];
        let index = repository.index(OCI_INDEX, &images);
        repository.tag_as("image", &images[0]);
        repository.tag_as("index", &index);
    });
    let server = FakeRegistry::start(Script { contents, ..Script::open(["acme/app"]) }).await.expect("a port");
    for (tag, salt) in [("image", "arm"), ("index", "intel")] {
        let url = server.url();
        let config = inspect_image::inspect_image(url.as_str(), "acme/app", tag).await.expect("a configuration");
        assert_eq!(config.labels["org.example.salt"], salt, "{tag}");
    }
}

#[test]
fn the_readme_shows_the_code_of_the_examples_in_twenty_lines_each() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a text");
    let readme = read("README.md");
    for example in ["list_catalog", "inspect_image"] {
        let text = read(&format!("examples/{example}.rs"));
        let code = text.split_once("\n\n").and_then(|(_, rest)| rest.split_once("\n#[tokio::main]"));
        let (code, _) = code.expect("a comment, the code, and `main`");
        let lines = code.lines().filter(|line| !line.is_empty()).count();
        assert!(lines <= 20, "{example} has {lines} lines of code");
        assert!(readme.contains(&format!("```rust\n{code}```\n")), "README.md does not show {example}.rs as it is");
    }
}
