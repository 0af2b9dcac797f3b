//! What real servers do in TLS: `openssl s_server` with certificates and settings as people have them. Each failure has
//! its own cause, and is told once.

use fake_registry::openssl::{OpensslServer, Workshop};
use fake_registry::tls::{own, serve_as};

use super::*;

const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "rsa:2048";
const LEAF: &str = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE";
const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign";

fn trusting(url: &str, ca_file: Option<std::path::PathBuf>) -> RegistrySettings {
    RegistrySettings { ca_file, ..settings(url.parse().expect("a URL"), Auth::None) }
}

async fn walked(settings: RegistrySettings) -> (Walked, u64) {
    let client = Client::build(settings, QUICK, ListBounds::default(), Arc::new(())).expect("a client");
    let walked = walk(&client).await;
    (walked, client.stats().retries)
}

/// Asserts that the registry is read.
async fn trusted(server: &OpensslServer, ca_file: std::path::PathBuf) {
    let (walked, _) = walked(trusting(&format!("https://localhost:{}", server.port), Some(ca_file))).await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
    assert_eq!(walked.names(), ["a"]);
}

/// Asserts that the walk ends with this cause, at once, and returns the text of the error.
async fn fails(id: &str, settings: RegistrySettings) -> String {
    let (walked, retries) = walked(settings).await;
    let error = walked.error.expect("an error");
    let told = format!("{}\n{}", chain(&error), error.remedy());
    assert_eq!(error.known_cause().map(|cause| cause.id()), Some(id), "{told}");
    assert_eq!((error.fault(), error.step(), retries), (Fault::Tls, Step::Ping, 0), "{told}");
    for library in ["error sending request", "client error", "Other(", "invalid peer certificate", "received fatal"] {
        assert!(!told.contains(library), "{told}");
    }
    told
}

async fn fails_at(server: &OpensslServer, id: &str, ca_file: Option<std::path::PathBuf>) -> String {
    fails(id, trusting(&format!("https://localhost:{}", server.port), ca_file)).await
}

/// Guides for a private registry make such certificates; curl, Python and docker trust them if they are given.
#[tokio::test]
async fn a_certificate_that_is_itself_in_ca_file_is_trusted_whatever_it_is() {
    let workshop = Workshop::new();
    for kind in [RSA, EC] {
        let made = format!("req -x509 -newkey {kind} -nodes -keyout a.key -out a.crt -days 2 -subj /CN=anything");
        workshop.run(&format!("{made} -addext subjectAltName=DNS:localhost"));
        // Version 1, and version 3 without names: the common name counts.
        workshop.request("one", kind, "/CN=localhost");
        workshop.sign("one", "one", "", "");
        workshop.request("three", kind, "/CN=localhost");
        workshop.sign("three", "three", "basicConstraints=CA:TRUE", "");
        // Issued by an authority that is not given.
        workshop.request("ca", kind, "/CN=Root");
        workshop.sign("ca", "ca", AUTHORITY, "");
        workshop.request("leaf", kind, "/CN=x");
        workshop.sign("leaf", "ca", LEAF, "");
        for name in ["a", "one", "three", "leaf"] {
            for version in ["-tls1_2", "-tls1_3"] {
                let server = workshop.serve(&format!("-cert {name}.crt -key {name}.key {version}"));
                trusted(&server, workshop.path(&format!("{name}.crt"))).await;
            }
        }
    }
}

#[tokio::test]
async fn an_authority_of_version_1_issues_certificates_that_are_trusted() {
    let workshop = Workshop::new();
    workshop.request("ca", RSA, "/CN=Root");
    workshop.sign("ca", "ca", "", "");
    workshop.request("leaf", EC, "/CN=x");
    workshop.sign("leaf", "ca", LEAF, "");
    trusted(&workshop.serve("-cert leaf.crt -key leaf.key"), workshop.path("ca.crt")).await;
}

#[tokio::test]
async fn a_ca_file_is_read_as_people_write_it() {
    let workshop = Workshop::new();
    for name in ["other", "a"] {
        let made = format!("req -x509 -newkey {EC} -nodes -keyout {name}.key -out {name}.crt -days 2 -subj /CN={name}");
        workshop.run(&format!("{made} -addext subjectAltName=DNS:localhost"));
    }
    let server = workshop.serve("-cert a.crt -key a.key");
    let (certificate, other, key) = (workshop.read("a.crt"), workshop.read("other.crt"), workshop.read("a.key"));
    for text in [
        certificate.replace('\n', "\r\n"),
        format!("subject=/CN=a\nissuer=/CN=a\n{certificate}the end\n"),
        format!("{key}{certificate}"),
        format!("{other}{certificate}"),
        format!("\u{feff}{certificate}"),
        certificate.trim_end().to_owned(),
    ] {
        workshop.write("given.pem", &text);
        trusted(&server, workshop.path("given.pem")).await;
    }
    workshop.run("x509 -in a.crt -outform der -out a.der");
    let error = Client::new(trusting("https://localhost", Some(workshop.path("a.der")))).expect_err("no PEM");
    assert!(chain(&error).contains("is in DER, not in PEM: `openssl x509 -inform der"), "{}", chain(&error));
    workshop.write("no.pem", "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n");
    let error = Client::new(trusting("https://localhost", Some(workshop.path("no.pem")))).expect_err("none");
    assert!(chain(&error).ends_with("no.pem is not a certificate"), "{}", chain(&error));
}

#[tokio::test]
async fn a_certificate_of_ca_file_is_trusted_for_its_names_in_its_time_and_for_servers_only() {
    let workshop = Workshop::new();
    workshop.request("one", RSA, "/CN=other.example");
    workshop.sign("one", "one", "", "");
    workshop.request("names", RSA, "/CN=localhost");
    workshop.sign("names", "names", "subjectAltName=DNS:a.example,DNS:*.b.example,IP:10.0.0.1", "");
    workshop.request("mail", RSA, "/CN=localhost");
    workshop.sign("mail", "mail", "subjectAltName=DNS:localhost\nextendedKeyUsage=emailProtection", "");
    for (name, id, words) in [
        ("one", "certificate_name", "its certificate is not for `localhost`, but for `other.example`"),
        // The common name does not count beside other names.
        ("names", "certificate_name", "not for `localhost`, but for `a.example`, `*.b.example`, `10.0.0.1`"),
        ("mail", "certificate_unfit", "its certificate is not for servers"),
    ] {
        let server = workshop.serve(&format!("-cert {name}.crt -key {name}.key"));
        let told = fails_at(&server, id, Some(workshop.path(&format!("{name}.crt")))).await;
        assert!(told.contains(words), "{told}");
    }
    for (pair, id, words) in [
        (own().expired(), "certificate_expired", "its certificate expired at 2020-"),
        (own().not_yet_valid(), "certificate_not_yet_valid", "its certificate is valid only from 2049-"),
    ] {
        let file = secret_file(&pair.certificate);
        for ca_file in [Some(file.path().to_owned()), None] {
            let told = fails(id, trusting(serve_as(&pair).as_str(), ca_file.clone())).await;
            assert!(ca_file.is_none() || told.contains(words), "{told}");
            assert!(told.contains("; this machine's clock says 20"), "{told}");
        }
    }
}

#[tokio::test]
async fn an_unknown_issuer_is_named_and_a_missing_certificate_of_the_chain_told_apart() {
    let workshop = Workshop::new();
    workshop.request("ca", EC, "/CN=Root");
    workshop.sign("ca", "ca", AUTHORITY, "");
    workshop.request("middle", EC, "/CN=Middle");
    workshop.sign("middle", "ca", AUTHORITY, "");
    workshop.request("leaf", EC, "/CN=x");
    workshop.sign("leaf", "middle", LEAF, "");
    workshop.request("imposter", EC, "/CN=Middle");
    workshop.sign("imposter", "imposter", AUTHORITY, "");
    workshop.run(&format!(
        "req -x509 -newkey {EC} -nodes -keyout alone.key -out alone.crt -days 2 -subj /CN=alone -addext \
         subjectAltName=DNS:localhost"
    ));
    let ca = || Some(workshop.path("ca.crt"));
    let alone = workshop.serve("-cert leaf.crt -key leaf.key");
    let told = fails_at(&alone, "missing_issuer", ca()).await;
    assert!(told.contains("was issued by `Middle`, whose certificate is neither sent by the server nor in"), "{told}");
    let told = fails_at(&alone, "unknown_issuer", None).await;
    assert!(told.contains("was issued by `Middle`, which this machine does not trust"), "{told}");
    let told = fails_at(&alone, "issuer_changed", Some(workshop.path("imposter.crt"))).await;
    assert!(told.contains("not signed with the key of the `Middle`"), "{told}");
    let whole = workshop.serve("-cert leaf.crt -key leaf.key -cert_chain middle.crt");
    let told = fails_at(&whole, "unknown_issuer", None).await;
    assert!(told.contains("was issued by `Root`"), "{told}");
    trusted(&whole, workshop.path("ca.crt")).await;
    let server = workshop.serve("-cert alone.crt -key alone.key");
    for (ca_file, words) in [(None, "self-signed and not trusted here"), (ca(), "and not the one in `ca_file`")] {
        let told = fails_at(&server, "self_signed", ca_file).await;
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn what_no_authority_should_issue_is_told_in_its_own_words() {
    let workshop = Workshop::new();
    workshop.request("ca", RSA, "/CN=Root");
    workshop.sign("ca", "ca", AUTHORITY, "");
    for (name, kind, extensions, more) in [
        ("nameless", RSA, "basicConstraints=CA:FALSE", ""),
        ("one", RSA, "", ""),
        ("authority", RSA, "subjectAltName=DNS:localhost\nbasicConstraints=CA:TRUE", ""),
        ("sha1", RSA, LEAF, "-sha1"),
        ("short", "rsa:1024", LEAF, ""),
    ] {
        workshop.request(name, kind, "/CN=localhost");
        workshop.sign(name, "ca", extensions, more);
    }
    for (name, id, words) in [
        ("nameless", "certificate_name", "has no `subjectAltName`, and the common name `localhost` does not count"),
        ("one", "certificate_unfit", "is of X.509 version 1"),
        ("authority", "certificate_unfit", "is one of a certificate authority (`CA:TRUE`)"),
        ("sha1", "certificate_weak", "its certificate is signed with sha1WithRSAEncryption"),
        ("short", "certificate_weak", "the RSA key of its certificate has only 1024 bits"),
    ] {
        let server = workshop.serve(&format!("-cert {name}.crt -key {name}.key -cipher ALL:@SECLEVEL=0"));
        let told = fails_at(&server, id, Some(workshop.path("ca.crt"))).await;
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn an_alert_is_an_answer_in_tls_and_each_has_its_cause() {
    let workshop = Workshop::new();
    workshop.run(&format!(
        "req -x509 -newkey {RSA} -nodes -keyout a.key -out a.crt -days 2 -subj /CN=a -addext subjectAltName=DNS:localhost"
    ));
    let ca = || Some(workshop.path("a.crt"));
    for (arguments, id, words) in [
        ("-tls1_2 -Verify 1", "client_certificate", "asks for a client certificate, and none is configured"),
        ("-tls1_3 -Verify 1", "client_certificate", "asks for a client certificate, and none is configured"),
        ("-tls1_1 -cipher ALL:@SECLEVEL=0", "tls_version", "its TLS is older than version 1.2"),
        ("-tls1_2 -cipher AES128-SHA", "tls_ciphers", "no cipher, key exchange or signature algorithm"),
        ("-tls1_3 -groups secp521r1", "tls_ciphers", "no cipher, key exchange or signature algorithm"),
        (
            "-servername other.example -servername_fatal -cert2 a.crt -key2 a.key",
            "tls_name",
            "it has no certificate for the name `localhost` (alert unrecognized_name)",
        ),
    ] {
        let server = workshop.serve(&format!("-cert a.crt -key a.key {arguments}"));
        let told = fails_at(&server, id, ca()).await;
        assert!(told.contains(words) && !told.contains("may not speak TLS"), "{arguments}: {told}");
    }
    // A client certificate that the server does not accept.
    let shown =
        ClientCertificate { certificate: workshop.path("a.crt"), key: workshop.path("a.key"), allow_readable: false };
    let only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&shown.key, only).expect("a mode");
    for version in ["-tls1_2", "-tls1_3"] {
        let server = workshop.serve(&format!("-cert a.crt -key a.key {version} -Verify 1 -verify_return_error"));
        let url = format!("https://localhost:{}", server.port);
        let settings = RegistrySettings { client_certificate: Some(shown.clone()), ..trusting(&url, ca()) };
        let told = fails("client_certificate", settings).await;
        assert!(told.contains("it does not accept the client certificate (alert "), "{told}");
    }
}

#[tokio::test]
async fn insecure_tls_takes_any_certificate_even_one_of_version_1() {
    let workshop = Workshop::new();
    workshop.request("one", RSA, "/CN=elsewhere");
    workshop.sign("one", "one", "", "");
    for version in ["-tls1_2", "-tls1_3"] {
        let server = workshop.serve(&format!("-cert one.crt -key one.key {version}"));
        let url = format!("https://localhost:{}", server.port);
        let (walked, _) = walked(RegistrySettings { insecure_tls: true, ..trusting(&url, None) }).await;
        assert!(walked.error.is_none(), "{:?}", walked.error);
    }
}

#[tokio::test]
async fn plain_http_to_a_server_with_tls_and_tls_to_one_without_are_told_apart() {
    let workshop = Workshop::new();
    workshop.run(&format!(
        "req -x509 -newkey {EC} -nodes -keyout a.key -out a.crt -days 2 -subj /CN=a -addext subjectAltName=DNS:localhost"
    ));
    // OpenSSL answers plain HTTP with an alert, or ends the connection.
    let tls = serve_as(own());
    let told = fails("tls_wanted", trusting(&tls.as_str().replace("https", "http"), None)).await;
    assert!(told.contains("it wants TLS, and `url` is http") && told.contains("write `https://` in `url`"), "{told}");
    for words in [
        "<html><center>The plain HTTP request was sent to HTTPS port</center></html>",
        "Client sent an HTTP request to an HTTPS server.\n",
    ] {
        let fault = fake_registry::Misbehaviour::status(400).body(words);
        let script = Script::open(["a"]).with_faults(move |_, _| Some(fault.clone()));
        let server = FakeRegistry::start(script).await.expect("a port");
        fails("tls_wanted", trusting(server.url().as_str(), None)).await;
    }
    for (answer, id, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "plain_http", "it answers in plain HTTP"),
        (b"<!DOCTYPE HTML>\n<title>Error</title>", "plain_http", "it answers in plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "no_tls", "it begins with `SSH-2.0-OpenSSH_`"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://127.0.0.1:{}", listener.local_addr().expect("bound").port());
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
            }
        });
        let told = fails(id, trusting(&url, None)).await;
        assert!(told.contains(words), "{told}");
    }
}
