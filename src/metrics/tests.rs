//! The table of families by itself; what is exposed stands in the files beside.

use std::collections::HashSet;

use super::*;

#[test]
fn families_are_named_and_told_as_prometheus_wants_them() {
    let names: HashSet<_> = families().iter().map(|family| family.name).collect();
    assert_eq!(names.len(), families().len(), "no name twice");
    for Family { name, kind, help, labels, .. } in families() {
        assert!(name.starts_with("stocktake_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        let has_unit = name.ends_with("_seconds") || !name.contains("duration") && !name.contains("timestamp");
        assert!(has_unit, "{name} has its unit for its end");
        assert!(help.ends_with('.') && help.starts_with(char::is_uppercase) && !help.contains('\n'), "{name}: {help}");
        assert!(!help.contains("  "), "{name}: {help}");
        let known = ["registry", "sink", "endpoint", "code", "reason", "trigger", "status", "phase", "level"];
        let known = |label| known.contains(label) || *name == "stocktake_build_info";
        assert!(labels.iter().all(known), "{name}: {labels:?}");
    }
}
