//! The samples in the documentation are what the program reads: every YAML block of the README and of docs/ is loaded.

use std::fs;
use std::path::Path;

use crate::support::program::Workplace;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[tokio::test]
async fn every_yaml_of_the_documentation_is_valid() {
    for name in ["README.md", "docs/configuration.md"] {
        let page = page(name);
        let blocks: Vec<_> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(!blocks.is_empty(), "{name} shows a configuration");
        for block in blocks {
            Workplace::with(block).run(&["validate", "--syntax-only"]).await.exits(0);
        }
    }
}

#[tokio::test]
async fn the_readme_and_operations_know_every_command_and_every_exit_code() {
    let help = Workplace::new().run(&["--help"]).await.exits(0).stdout;
    for name in ["README.md", "docs/operations.md"] {
        let page = page(name);
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
        assert!(commands.len() > 3, "{help}");
        for command in commands.iter().filter(|command| **command != "help") {
            assert!(page.contains(&format!("| `stocktake {command}")), "{command} stands in the table of {name}");
        }
        let codes = help.split_once("Exit codes: ").unwrap().1;
        let numbers = codes.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
        for number in numbers {
            assert!(page.contains(&format!("\n| {number} |")), "exit code {number} stands in the table of {name}");
        }
    }
}
