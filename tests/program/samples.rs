//! The samples of the README and of docs/ are valid: every YAML block that is a whole configuration is loaded.

use std::fs;
use std::path::Path;

use crate::support::program::Workplace;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The README and the pages of docs/, one after the other.
fn documentation() -> String {
    let pages = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let paths = pages.map(|page| page.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md"));
    paths.fold(readme(), |all, path| all + "\n" + &fs::read_to_string(path).unwrap())
}

fn yaml_blocks(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[tokio::test]
async fn every_configuration_in_the_documentation_is_valid() {
    let (readme, documentation) = (readme(), documentation());
    assert!(!yaml_blocks(&readme).is_empty(), "the README shows a configuration");
    // On other pages a block may be a part of a configuration.
    let is_whole = |block: &&str| block.starts_with("registries:") || block.contains("\nregistries:");
    for block in yaml_blocks(&documentation).into_iter().filter(|block| is_whole(block) || readme.contains(*block)) {
        Workplace::with(block).run(&["validate"]).await.exits(0);
    }
}

#[tokio::test]
async fn the_documentation_has_every_command_and_every_exit_code() {
    let pages = documentation();
    let help = Workplace::new().run(&["--help"]).await.exits(0).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 3, "{help}");
    for command in commands.iter().filter(|command| **command != "help") {
        assert!(pages.contains(&format!("| `stocktake {command}")), "{command} is in a table of the documentation");
    }
    let codes = help.split_once("Exit codes: ").unwrap().1;
    let numbers = codes.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    for number in numbers {
        assert!(pages.contains(&format!("\n| {number} |")), "exit code {number} is in a table of the documentation");
    }
}
