//! The daemon's listener.

use super::*;
use crate::web::WebSettings;
use crate::web::{ClientCertificates, TlsSettings, TlsVersion};

const HASH: &str = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";

/// The listener's settings with these further lines of the main file.
fn load_web(lines: &str) -> Result<(WebSettings, Vec<String>), String> {
    let config = load_text(&format!("{lines}{SINK}registries: [{{name: r, url: 'https://r.example'}}]\n"))?;
    let notes = config.notes.iter().map(|note| {
        let note = note.to_string();
        note.split_once("m.yaml:").map_or(note.clone(), |(_, note)| note.to_owned())
    });
    Ok((config.web, notes.collect()))
}

#[test]
fn without_a_word_it_listens_on_loopback_to_everybody_and_runs_nothing() {
    for lines in ["", "web:\n", "listen: ~\n", "listen: 127.0.0.1:9914\nweb: {allow_runs: false}\n"] {
        assert_eq!(load_web(lines), Ok((WebSettings::default(), Vec::new())), "{lines}");
    }
    assert_eq!(WebSettings::default().listen.to_string(), "127.0.0.1:9914");
    assert!(!WebSettings::default().allow_runs);
}

#[test]
fn every_key_of_the_listener_is_read() {
    let (read, notes) = load_web(&format!(
        "listen: ':9000'
web:
  tls_server_config:
    cert_file: /c.pem
    key_file: /k.pem
    allow_readable: true
    client_auth_type: RequireAndVerifyClientCert
    client_ca_file: /ca.pem
    min_version: TLS13
    max_version: TLS13
  basic_auth_users: {{ann: {HASH}, 'b b': {HASH}}}
  allow_runs: true
"
    ))
    .expect("a configuration");
    let tls = TlsSettings {
        cert_file: "/c.pem".into(),
        key_file: "/k.pem".into(),
        allow_readable: true,
        clients: ClientCertificates::Required { ca_file: "/ca.pem".into() },
        min_version: TlsVersion::Tls13,
        max_version: TlsVersion::Tls13,
    };
    assert_eq!((read.listen.to_string().as_str(), read.tls, read.allow_runs), (":9000", Some(tls), true));
    assert_eq!(read.users.keys().map(String::as_str).collect::<Vec<_>>(), ["ann", "b b"]);
    assert!(notes.is_empty(), "{notes:?}");
    let (hosts, _) = load_web("web: {allowed_hosts: [ST.Example., other]}\n").expect("a configuration");
    assert_eq!(hosts.allowed_hosts.into_iter().collect::<Vec<_>>(), ["other", "st.example"]);
    let (read, _) = load_web(
        "web: {tls_server_config: {cert_file: c, key_file: k, client_auth_type: VerifyClientCertIfGiven, client_ca_file: /a}}\n",
    )
    .expect("a configuration");
    let tls = read.tls.expect("TLS");
    assert_eq!(tls.clients, ClientCertificates::VerifiedIfGiven { ca_file: "/a".into() });
    assert_eq!((tls.min_version, tls.max_version), (TlsVersion::Tls12, TlsVersion::Tls13));
}

#[test]
fn a_listener_that_others_reach_without_a_lock_is_noted() {
    let tls = "tls_server_config: {cert_file: c, key_file: k}";
    let users = format!("basic_auth_users: {{a: {HASH}}}");
    let open = "1:1: note: `listen`: everyone who reaches this address can read the names and the state of all registries\n    \
                set `web: {basic_auth_users: …}`, or keep to `127.0.0.1`";
    let clear = "1:1: note: `listen`: passwords are sent to this address in clear text\n    \
                 set `web: {tls_server_config: …}`, or keep to `127.0.0.1`";
    for (listen, web, expected) in [
        ("':9914'", String::new(), Some(open)),
        ("'[::]:9914'", tls.to_owned(), Some(open)),
        ("0.0.0.0:9914", users.clone(), Some(clear)),
        ("0.0.0.0:9914", format!("{tls}, {users}"), None),
        ("'[::1]:9914'", String::new(), None),
        ("localhost:0", users, None),
    ] {
        let (_, notes) = load_web(&format!("listen: {listen}\nweb: {{{web}}}\n")).expect("a configuration");
        assert_eq!(notes, Vec::from_iter(expected), "{listen} {web}");
    }
}

#[test]
fn a_cheap_hash_is_noted() {
    let (_, notes) =
        load_web(&format!("web: {{basic_auth_users: {{a: {}}}}}\n", HASH.replace("$10$", "$05$"))).unwrap();
    let expected = "1:29: note: `basic_auth_users`: a password with a hash of cost 5 is guessed quickly if the file is stolen\n    \
                    `htpasswd -nBC 10 NAME` makes one, after the colon";
    assert_eq!(notes, [expected]);
}

#[test]
fn impossible_listeners_say_what_to_write_instead() {
    let makes = "`htpasswd -nBC 10 NAME` makes one, after the colon";
    let tls = |more: &str| format!("web: {{tls_server_config: {{cert_file: c, key_file: k, {more}}}}}");
    for (lines, expected) in [
        (
            "listen: 9914".to_owned(),
            "1:9: `listen`: expected text, found a number\n    for example `127.0.0.1:9914`".to_owned(),
        ),
        (
            "listen: unix:/run/s".to_owned(),
            "1:9: `listen`: expected `host:port`, `[::1]:port`, or `:port` for every interface\n    for example \
             `127.0.0.1:9914`"
                .to_owned(),
        ),
        (
            "web: {basic_auth_users: {a: s3cr3t/W0rd}}".to_owned(),
            format!("1:29: `basic_auth_users`: expected the bcrypt hash of a password, found other text\n    {makes}"),
        ),
        (
            format!("web: {{basic_auth_users: {{a: {}}}}}", HASH.replace("$10$", "$16$")),
            format!("1:29: `basic_auth_users`: expected a hash of a cost from 4 to 15, found 16\n    {makes}"),
        ),
        (
            format!("web: {{basic_auth_users: {{'a:b': {HASH}}}}}"),
            "1:26: expected the name of a user, without `:`".to_owned(),
        ),
        (
            "web: {allow_runs: true}".to_owned(),
            "1:7: `allow_runs`: runs cannot be started without a login\n    add `basic_auth_users`, or \
             `tls_server_config` with `client_auth_type: RequireAndVerifyClientCert`"
                .to_owned(),
        ),
        (
            "web: {allowed_hosts: ['https://st.example/']}".to_owned(),
            "1:23: `allowed_hosts`: expected the name of a host, without scheme, port and path\n    for example \
             `inventory.my-org.example`; any port will do"
                .to_owned(),
        ),
        (
            "web: {tls_server_config: {cert_file: c}}".to_owned(),
            "1:26: `key_file` is missing\n    for example `key_file: /etc/stocktake/tls-key.pem`".to_owned(),
        ),
        (
            tls("key: s3cr3t/W0rd"),
            "1:54: `key`: certificates and keys are read from files\n    write `key_file: PATH`".to_owned(),
        ),
        (
            tls("client_auth_type: RequireAnyClientCert"),
            "1:72: `client_auth_type`: a certificate that is not verified proves nothing\n    \
             `RequireAndVerifyClientCert` or `VerifyClientCertIfGiven`, with `client_ca_file`"
                .to_owned(),
        ),
        (
            tls("client_auth_type: RequireAndVerifyClientCert"),
            "1:26: `client_auth_type` needs `client_ca_file`\n    add `client_ca_file: PATH`".to_owned(),
        ),
        (
            tls("client_ca_file: a"),
            "1:54: `client_ca_file`: no client is asked for a certificate\n    add `client_auth_type: \
             RequireAndVerifyClientCert`, or leave this out"
                .to_owned(),
        ),
        (
            tls("min_version: TLS10"),
            "1:67: `min_version`: this version is broken and not supported\n    `TLS12` or `TLS13`".to_owned(),
        ),
        (tls("min_version: TLS13, max_version: TLS12"), "1:74: `max_version`: older than `min_version`".to_owned()),
        (
            "web: {tls_server_conf: {}}".to_owned(),
            "1:7: unknown key `tls_server_conf`\n    did you mean `tls_server_config`?".to_owned(),
        ),
        (
            "web: {http_server_config: {http2: true}}".to_owned(),
            "1:7: `http_server_config` is not supported\n    leave it out".to_owned(),
        ),
    ] {
        let refused = load_web(&format!("{lines}\n")).expect_err(&lines);
        assert_eq!(refused, format!("m.yaml:{expected}"), "{lines}");
    }
}

#[test]
fn an_included_file_sets_no_listener() {
    let main = format!("include: i.yaml\n{SINK}registries: [{{name: r, url: 'https://r.example'}}]\n");
    let refused = load_files(&[("m.yaml", &main), ("i.yaml", "listen: ':1'\nweb: {}\n")]).expect_err("problems");
    assert!(refused.contains("`listen` belongs to the main file") && refused.contains("`web` belongs"), "{refused}");
}
