//! The mistakes of people who write their first configuration: each message has the place, the cause and the correction,
//! and the correction is accepted.

use super::*;

const CORRECT: &str = "state: ./state
sinks:
  out: {type: parquet, url: ./out}
registries:
  - name: r
    url: https://quay.io
    schedule: \"0 2 * * *\"
";

struct Mistake<'t> {
    name: &'t str,
    instead_of: String,
    is: String,
    told: &'t str,
    corrected: String,
}

fn mistakes() -> Vec<Mistake<'static>> {
    let entries = include_str!("mistakes.txt").split("\n=== ").skip(1);
    let text = |part: &str| part.replace("\\t", "\t").replace("\\u{a0}", "\u{a0}");
    let read = entries.map(|entry| {
        let (name, rest) = entry.split_once('\n').unwrap();
        let parts: Vec<_> = rest.trim_end().split("\n--- ").collect();
        let [instead_of, is, told, corrected] = parts[..] else { panic!("{name} has {} parts", parts.len()) };
        let is = is.strip_prefix("is\n").unwrap();
        let (told, corrected) = (told.strip_prefix("told\n").unwrap(), corrected.strip_prefix("corrected\n").unwrap());
        Mistake { name, instead_of: text(instead_of), is: text(is), told, corrected: text(corrected) }
    });
    read.collect()
}

#[test]
fn each_mistake_is_told_with_its_place_and_its_correction() {
    let mistakes = mistakes();
    assert!(mistakes.len() >= 60);
    for Mistake { name, instead_of, is, told, corrected } in mistakes {
        assert_eq!(CORRECT.matches(&instead_of).count(), 1, "{name}: {instead_of}");
        let refused = load_text(&CORRECT.replace(&instead_of, &is)).expect_err(name);
        assert_eq!(refused.replace("m.yaml:", ""), told, "{name}");
        let accepted = load_text(&CORRECT.replace(&instead_of, &corrected));
        assert!(accepted.is_ok(), "{name}: the correction is refused: {accepted:?}");
    }
}

#[test]
fn columns_of_a_schedule_may_stand_apart_by_tabs_as_in_a_crontab() {
    for schedule in ["\"0\t2\t*\t*\t*\"", "0\t2  *\t * *"] {
        let config = load_text(&CORRECT.replace("\"0 2 * * *\"", schedule)).unwrap();
        let schedule = config.registries[0].schedule.as_ref().unwrap();
        assert_eq!(schedule.expression(), "0 2 * * *");
    }
    let refused = load_text(&CORRECT.replace("\"0 2 * * *\"", "\"0\\t2 * *\\n*\"")).expect_err("a problem");
    assert_eq!(
        refused,
        "m.yaml:7:15: `schedule`: expected text, found text with a line break or another control character\n    for example `\"0 2 * * *\"`"
    );
}

#[test]
fn arguments_of_a_command_may_have_variables_because_a_shell_reads_them() {
    let lines = "    auth: {username: a, password_command: [sh, -c, 'echo ${PASSWORD} ~/x']}\n";
    assert!(load_registry(lines).is_ok());
    let refused =
        load_registry("    auth: {username: a, password_command: [~/bin/password]}\n").expect_err("a problem");
    assert!(refused.contains("write the whole path of the program"), "{refused}");
}
