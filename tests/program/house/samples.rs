//! The README's samples are what the program reads: every YAML block of it is loaded.

use std::fs;
use std::path::Path;

use crate::support::program::Workplace;

#[tokio::test]
async fn every_yaml_of_the_readme_is_valid() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks: Vec<_> = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "the README shows a configuration");
    for block in blocks {
        Workplace::with(block).run(&["validate"]).await.exits(0);
    }
}

#[tokio::test]
async fn the_readme_knows_every_command_and_every_exit_code() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let help = Workplace::new().run(&["--help"]).await.exits(0).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 3, "{help}");
    for command in commands.iter().filter(|command| **command != "help") {
        assert!(readme.contains(&format!("| `stocktake {command}")), "{command} stands in the README's table");
    }
    let codes = help.split_once("Exit codes: ").unwrap().1;
    let numbers = codes.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    for number in numbers {
        assert!(readme.contains(&format!("\n| {number} |")), "exit code {number} stands in the README's table");
    }
}
