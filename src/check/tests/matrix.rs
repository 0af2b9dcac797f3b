//! The table of rules is complete: each known cause has a rule, and each rule a test with a server that has the problem.

use super::*;

#[test]
fn every_rule_has_a_fault_in_a_matrix() {
    let matrix = concat!(include_str!("faults.rs"), include_str!("grants.rs"), include_str!("logins.rs"));
    // Tables of rules; those of proxies need a process with its own environment.
    let tables = concat!(include_str!("tls.rs"), include_str!("../../../tests/program/command_line/proxies.rs"));
    for rule in RULES {
        assert!(
            matrix.contains(&format!("fires(\"{}\",", rule.id))
                || matrix.contains(&format!("        \"{}\",\n", rule.id))
                || matrix.contains(&format!(", \"{}\", \"", rule.id))
                || tables.contains(&format!("\"{}\"", rule.id)),
            "{}",
            rule.id
        );
    }
}

/// The ids of all known causes, which the source lists in matches that the compiler holds complete.
fn ids_of_known_causes() -> Vec<&'static str> {
    let sources = [
        include_str!("../../../crates/registry-client/src/problem/cause.rs"),
        include_str!("../../../crates/registry-client/src/problem/login_cause.rs"),
        include_str!("../../../crates/registry-client/src/problem/tls_cause.rs"),
        include_str!("../../../crates/registry-client/src/problem/token_service_cause.rs"),
        include_str!("../../../crates/registry-client/src/problem/proxy_cause.rs"),
    ];
    let of = |source: &'static str| {
        let (_, rest) = source.split_once("const fn id(").expect("a function that names causes");
        let (body, _) = rest.split_once("\n    }\n").expect("its end");
        body.lines().filter_map(|line| line.trim().split_once("=> \"")?.1.strip_suffix("\","))
    };
    sources.into_iter().flat_map(of).collect()
}

#[test]
fn every_known_cause_has_a_rule_and_every_rule_a_known_cause() {
    let mut causes = ids_of_known_causes();
    let mut rules: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
    assert!(causes.len() > 40, "{causes:?}");
    causes.sort_unstable();
    rules.sort_unstable();
    assert_eq!(causes, rules);
}
