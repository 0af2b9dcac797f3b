//! Whatever stands in a file, reading it ends, in a configuration or in problems, and prints no secret.

use super::*;
use yaml_sections::YamlFile;

const SEED: u64 = 0x5eed;
const ROUNDS: usize = 4_000;

const FULL: &str = "state: ./state
time_zone: Europe/Dublin
run_on_start: always
listen: 127.0.0.1:9914
web:
  tls_server_config: {cert_file: c, key_file: k, key: 's3cr3t/W0rd', min_version: TLS12}
  basic_auth_users: {ann: 's3cr3t/W0rd'}
  allow_runs: true
sinks:
  w: {type: stdout, format: csv}
  v: &v {type: stdout}
registries:
  - &base
    name: quay
    url: https://quay.io
    auth: {type: token, username: my-org+robot, password: 's3cr3t/W0rd'}
    scope: [a, \"b\\n\"]
    page_size: 1000
    max_repositories: 0
    realm_hosts: ['[::1]:5000']
    allow_hosts: [10.2.0.0/16, a.example]
    include: ['{a,b}/**', '[!c]?']
    timeout: 1h30m
    schedule: 0 8-18/2 * JAN,jul MON-FRI
    jitter: 10m
    catch_up: off
    sinks: [w, v]
    shrink_limit: 0.2
  - <<: *base
    name: other
    url: https://u:s3cr3t/W0rd@quay.io
    auth: !!map
      type: bearer
      token: |
        s3cr3t/W0rd
";

fn check_text(text: &str) -> Result<(), ConfigProblems> {
    let file = Path::new("m.yaml");
    let report = Diagnostics::default();
    let checked = YamlFile::parse(file, text)
        .map_err(|problem| report.add(problem))
        .and_then(|source| check::check(source.section("a mapping", &report)?, &[], &report).map(|_| ()));
    report.settle(file, checked).map(|_| ())
}

fn mutate(random: &mut fastrand::Rng, text: &str) -> String {
    const INSERTS: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "'",
        "\"",
        "#",
        "&a ",
        "*base",
        "<<: *v\n",
        "!x ",
        "|",
        ">",
        "~",
        "---\n",
        "\t",
        "\u{0}",
        "ä\u{301}🦀",
        "99999999999999999999",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..chars.len());
        match random.u8(0..4) {
            0 => chars.truncate(at.max(1)),
            1 => {
                let end = (at + random.usize(1..12)).min(chars.len());
                chars.drain(at..end);
            }
            2 => {
                let insert = INSERTS[random.usize(0..INSERTS.len())];
                chars.splice(at..at, insert.chars());
            }
            _ => {
                let from = random.usize(0..chars.len());
                let end = (from + random.usize(1..60)).min(chars.len());
                let copied = chars[from..end].to_vec();
                chars.splice(at..at, copied);
            }
        }
        if chars.is_empty() {
            chars.push('x');
        }
    }
    chars.into_iter().collect()
}

#[test]
fn no_text_makes_reading_panic_or_print_a_secret() {
    let mut random = fastrand::Rng::with_seed(SEED);
    for _ in 0..ROUNDS {
        let text = mutate(&mut random, FULL);
        let Err(problems) = check_text(&text) else { continue };
        assert!(problems.iter().count() > 0, "refused for no reason:\n{text}");
        let printed = problems.to_string();
        assert!(!printed.contains(SECRET), "{printed}\n{text}");
        assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}\n{text}");
    }
}
