//! Problems of whole files: all at once, in order, and nothing at all told from something wrong.

use super::*;

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    assert_problems(
        "state: https://bucket/state
concurrency: 0
sinks:
  warehouse: {type: stdou}
  console: {type: stdout, format: tabel, colour: true}
  -x: {type: stdout}
  nothing:
registeries: []
registries:
  - name: a
    name: b
    pagesize: 3
    sinks: [consle]
    1: x
  - name: a
    url: http://a
    insecure_tls: true
    ca_file: x
  - [x]
",
        &"
m.yaml:1:8: `state`: expected a directory, found a url
    for example `./state`: the state is on a local disk
m.yaml:2:14: `concurrency`: expected a whole number from 1 to 1000, found 0
m.yaml:4:21: `type`: expected one of KINDS, found another word
    did you mean `stdout`?
m.yaml:5:35: `format`: expected one of table, jsonl, csv, found another word
    did you mean `table`?
m.yaml:5:42: unknown key `colour`
    known here: type, deadline, format
m.yaml:6:3: expected 1 to 63 letters, digits, `.`, `_` or `-` as the name of a sink, a letter or a digit first
m.yaml:7:10: `type` is missing
    for example `type: parquet`
m.yaml:8:1: unknown key `registeries`
    did you mean `registries`?
m.yaml:10:5: `url` is missing
    for example `url: https://quay.io`
m.yaml:11:5: the key `name` stands here twice
    the first is at m.yaml:10:5; if another entry of a list begins here, begin it with `- `
m.yaml:12:5: unknown key `pagesize`
    did you mean `page_size`?
m.yaml:13:13: `sinks`: there is no sink `consle`
    did you mean `console`?
m.yaml:14:5: expected a name as the key, found a number
m.yaml:15:11: `name`: there are two registries `a`
    the first is at m.yaml:10:11
m.yaml:17:19: `insecure_tls`: has no effect on an http url
    write the url with https, or leave this out
m.yaml:18:14: `ca_file`: has no effect on an http url
    write the url with https, or leave this out
m.yaml:19:5: expected a mapping for `registries`, found a list
    for example `- {name: quay, url: https://quay.io}`
"
        .replace("KINDS", &crate::sinks::kinds().map(|kind| kind.name).collect::<Vec<_>>().join(", ")),
    );
}

#[test]
fn nothing_at_all_is_told_from_something_wrong() {
    let missing = "
m.yaml:1:1: `sinks` is missing
    for example `sinks: {warehouse: {type: parquet, url: ./inventory}}`
m.yaml:1:1: there is no registry
    for example `registries: [{name: quay, url: https://quay.io}]`
";
    assert_problems("", missing);
    assert_problems("# nothing\n", missing);
    let empty = "indent what belongs to it, or write for example";
    let missing = missing.replace("`sinks` is missing\n    for example", &format!("`sinks` has no value\n    {empty}"));
    assert_problems("sinks: ~\nregistries: ~\n", &missing);
    assert_problems("[]", "m.yaml:1:1: expected a mapping with `sinks` and `registries`, found a list");
    assert_problems(
        "sinks: {}\nregistries: []\n",
        "
m.yaml:1:1: there is no registry
    for example `registries: [{name: quay, url: https://quay.io}]`
m.yaml:1:8: `sinks`: expected at least one sink, found none
",
    );
}

#[test]
fn two_sinks_do_not_share_a_directory() {
    assert_problems(
        "sinks:
  a: {type: parquet, url: ./inventory}
  b: {type: json, url: inventory/}
  c: {type: json, url: ./inventory/json}
  d: {type: stdout}
  e: {type: stdout}
registries: [{name: r, url: 'https://r'}]
",
        "
m.yaml:3:3: `b` writes to the directory of `a`
    give each sink a directory of its own
",
    );
}

#[test]
fn two_sinks_do_not_share_a_prefix_of_a_bucket_and_none_is_inside_another() {
    assert_problems(
        "sinks:
  a: {type: parquet, url: s3://inv/team}
  b: {type: json, url: s3://inv/team/}
  c: {type: json, url: s3://inv/team/json}
  d: {type: json, url: s3://inv}
  e: {type: json, url: s3://inv/teams}
  f: {type: json, url: s3://inv/team, options: {aws_endpoint: 'https://minio.example.com'}}
  g: {type: json, url: gs://inv/team}
registries: [{name: r, url: 'https://r'}]
",
        "
m.yaml:3:3: `b` writes to the bucket and prefix of `a`
    give each sink a prefix of its own, none inside another
m.yaml:4:3: `c` writes to a prefix inside that of `a`
    give each sink a prefix of its own, none inside another
m.yaml:5:3: `d` writes to a prefix around that of `a`
    give each sink a prefix of its own, none inside another
m.yaml:6:3: `e` writes to a prefix inside that of `d`
    give each sink a prefix of its own, none inside another
",
    );
}

#[test]
fn a_sink_does_not_write_into_the_state() {
    assert_problems(
        "state: state/
sinks: {a: {type: parquet, url: ./state}, b: {type: json, url: ./state/json}}
registries: [{name: r, url: 'https://r'}]
",
        "
m.yaml:2:9: `a` writes to the directory of `state`
    give the sink a directory of its own
",
    );
}

#[test]
fn numbers_that_are_not_whole_or_too_large_are_told_from_whole_ones() {
    for number in ["1e3", "2.5", "99999999999999999999999999"] {
        assert_problems(
            &format!("concurrency: {number}\n{SINK}registries: [{{name: r, url: 'https://r'}}]\n"),
            "m.yaml:1:14: `concurrency`: expected a whole number from 1 to 1000, found one that is not whole, or far too large",
        );
    }
}

#[test]
fn a_sink_says_what_is_wrong_with_its_target() {
    assert_problems(
        "sinks: {a: {type: parquet}, b: {type: json, url: 's3://u:s3cr3t@b'}}\nregistries: [{name: r, url: 'https://r'}]\n",
        "
m.yaml:1:12: `url` is missing
    for example `url: ./inventory`
m.yaml:1:50: `url`: the URL has a login, a port, a query or a fragment; write s3://bucket/prefix alone, and the rest in `options`
    for example `./inventory-json`
",
    );
}
