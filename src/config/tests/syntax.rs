//! YAML itself: what cannot be read, what repeats, and what unfolds without bound.

use super::*;

#[test]
fn syntax_errors_have_their_place() {
    for (text, expected) in [
        (
            "a: [\n",
            "1:4: cannot read this YAML: the bracket `[` that begins here has no end\n    add the `]` that ends it",
        ),
        (
            "a: 1\n b: 2\n",
            "2:2: cannot read this YAML: this line is indented deeper than the line before it, which has a value already\n    begin it at the left edge",
        ),
        (
            "a: *b\n",
            "1:4: cannot read this YAML: a value that begins with `*` needs quotes\n    put the whole value in quotes, or define the anchor if an alias is meant",
        ),
        ("a: &a [*a]\n", "1:8: cannot read this YAML: an alias stands within what it repeats"),
        (
            "a: !x y\n",
            "1:7: cannot read this YAML: a tag (`!…`) has no meaning here\n    put a value that begins with `!` in quotes",
        ),
        ("a: !!int y\n", "1:10: cannot read this YAML: the value is not what its tag (`!!…`) says"),
        (
            "a: 1\n---\nb: 2\n",
            "2:1: cannot read this YAML: a second document begins here\n    a file is one document: remove this line, or move what follows to a file of its own",
        ),
    ] {
        assert_problems(text, &format!("m.yaml:{expected}"));
    }
}

#[test]
fn expressions_of_cron_without_their_quotes_are_known() {
    for (value, mark, or_alias) in [
        ("*/5 * * * *", '*', ", or define the anchor if an alias is meant"),
        ("* 2 * * *", '*', ""),
        ("@daily", '@', ""),
    ] {
        let expected = format!(
            "m.yaml:1:11: cannot read this YAML: a value that begins with `{mark}` needs quotes\n    \
             put the whole value in quotes{or_alias}"
        );
        assert_problems(&format!("schedule: {value}\n"), &expected);
    }
}

#[test]
fn aliases_and_merges_work_and_point_at_what_they_repeat() {
    let config = load_text(&format!(
        "{SINK}registries:
  - &base {{name: a, url: 'https://a', timeout: 5s}}
  - <<: *base
    name: b
"
    ))
    .unwrap();
    assert_eq!(config.registries[1].client.timeout.as_secs(), 5);
    assert_eq!(config.registries[1].name.as_str(), "b");
    assert_problems(
        &format!("{SINK}registries:\n  - &a {{name: a, url: 'https://a', timeout: 5}}\n  - *a\n"),
        "
m.yaml:3:15: `name`: there are two registries `a`
    an alias repeats the whole entry
m.yaml:3:45: `timeout`: expected a duration such as `30s`, `1h30m` or `500ms`, found a number without a unit
    `5s`, if seconds are meant
",
    );
}

#[test]
fn what_unfolds_or_nests_without_bound_is_stopped() {
    let mut bomb = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned()];
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push(format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let bomb = bomb.concat();
    let many = format!("a: [{}]", "1,".repeat(400_000));
    let deep_blocks: Vec<_> = (0..500).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    for text in [&bomb, &many, &"[".repeat(10_000), &"- ".repeat(10_000), &deep_blocks.concat(), &"{a: ".repeat(200)] {
        let refused = load_text(text).expect_err("a problem");
        assert!(refused.contains("cannot read this YAML: ") && refused.len() < 200, "{refused}");
    }
    let huge = "#".repeat(1024 * 1024 + 1);
    assert_problems(&huge, "m.yaml: it is larger than 1048576 bytes");
}
