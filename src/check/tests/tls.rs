//! The rules for TLS. Servers are `openssl s_server`; what it does not do on command, a few bytes do.

use fake_registry::openssl::Workshop;
use fake_registry::tls::{own, serve, serve_as};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::faults::fires;
use super::*;

const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign";
const LEAF: &str = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE";

/// Certificates of an authority: for a server behind an intermediate, and of all kinds that are not trusted.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    for (name, issuer, extensions, more) in [
        ("ca", "ca", AUTHORITY, ""),
        ("middle", "ca", AUTHORITY, ""),
        ("leaf", "ca", LEAF, ""),
        ("below", "middle", LEAF, ""),
        ("one", "ca", "", ""),
        ("sha1", "ca", LEAF, "-sha1"),
    ] {
        workshop.request(name, EC, &format!("/CN={name}"));
        workshop.sign(name, issuer, extensions, more);
    }
    // Another authority of the same name.
    workshop.request("imposter", EC, "/CN=ca");
    workshop.sign("imposter", "imposter", AUTHORITY, "");
    workshop
}

/// A check of `openssl s_server` with these arguments, by a client that trusts this certificate.
async fn refused(rule: &str, workshop: &Workshop, ca_file: Option<&str>, arguments: &str) -> CheckReport {
    let server = workshop.serve(arguments);
    let rig = CheckRig::nowhere().with(|settings| {
        settings.url = format!("https://localhost:{}", server.port).parse().unwrap();
        settings.auth = Auth::None;
        settings.ca_file = ca_file.map(|name| workshop.path(name));
    });
    fires(rule, CheckStep::Tls, Severity::Failed, rig).await
}

#[tokio::test]
async fn each_failure_of_a_handshake_has_its_rule() {
    let workshop = workshop();
    for (rule, ca_file, arguments) in [
        ("unknown_issuer", None, "-cert leaf.crt -key leaf.key"),
        ("missing_issuer", Some("ca.crt"), "-cert below.crt -key below.key"),
        ("issuer_changed", Some("imposter.crt"), "-cert leaf.crt -key leaf.key"),
        ("certificate_unfit", Some("ca.crt"), "-cert one.crt -key one.key"),
        ("certificate_weak", Some("ca.crt"), "-cert sha1.crt -key sha1.key -cipher ALL:@SECLEVEL=0"),
        ("client_certificate", Some("ca.crt"), "-cert leaf.crt -key leaf.key -tls1_2 -Verify 1"),
        ("tls_version", Some("ca.crt"), "-cert leaf.crt -key leaf.key -tls1_1 -cipher ALL:@SECLEVEL=0"),
        ("tls_ciphers", Some("ca.crt"), "-cert leaf.crt -key leaf.key -tls1_3 -groups secp521r1"),
        (
            "tls_name",
            Some("ca.crt"),
            "-cert leaf.crt -key leaf.key -servername other -servername_fatal -cert2 leaf.crt -key2 leaf.key",
        ),
    ] {
        let report = refused(rule, &workshop, ca_file, arguments).await;
        assert!(report.exchanges.is_empty(), "nothing is said to a server that is not trusted");
    }
}

/// With TLS 1.3, a server says so only after the handshake.
#[tokio::test]
async fn a_client_certificate_that_is_missed_after_the_handshake() {
    let workshop = workshop();
    let server = workshop.serve("-cert leaf.crt -key leaf.key -tls1_3 -Verify 1");
    let rig = CheckRig::nowhere().with(|settings| {
        settings.url = format!("https://localhost:{}", server.port).parse().unwrap();
        settings.auth = Auth::None;
        settings.ca_file = Some(workshop.path("ca.crt"));
    });
    let report = fires("client_certificate", CheckStep::Ping, Severity::Failed, rig).await;
    let names = &step_of(&report, CheckStep::Tls).evidence;
    assert!(names.contains(&Fact::new("names", "localhost")), "{names:?}");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet() {
    let pair = own().not_yet_valid();
    let file = secret_file(&pair.certificate);
    let rig = CheckRig::nowhere().with(|settings| {
        settings.url = serve_as(&pair);
        settings.auth = Auth::None;
        settings.ca_file = Some(file.path().to_owned());
    });
    let report = fires("certificate_not_yet_valid", CheckStep::Tls, Severity::Failed, rig).await;
    assert!(report.diagnoses().next().unwrap().symptom.contains("is valid only from 2049-"), "{report:#?}");
}

/// A server that answers whatever it is sent with these bytes.
async fn answering(bytes: &'static [u8]) -> CheckRig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    CheckRig::nowhere().with(|settings| {
        settings.url = format!("https://{address}").parse().unwrap();
        settings.auth = Auth::None;
        settings.insecure_tls = true;
    })
}

#[tokio::test]
async fn servers_that_end_the_handshake_or_speak_something_else() {
    // An alert of TLS: internal_error.
    let alert = answering(&[0x15, 3, 3, 0, 2, 2, 80]).await;
    let report = fires("tls_alert", CheckStep::Tls, Severity::Failed, alert).await;
    assert!(report.diagnoses().next().unwrap().symptom.contains("(alert internal_error)"), "{report:#?}");
    fires("no_tls", CheckStep::Tls, Severity::Failed, answering(b"SSH-2.0-OpenSSH\r\n").await).await;
    fires("no_tls", CheckStep::Tls, Severity::Failed, answering(b"").await).await;
    let https = serve().as_str().replace("https", "http").parse().unwrap();
    let rig = CheckRig::nowhere().with(|settings| {
        settings.url = https;
        settings.auth = Auth::None;
    });
    fires("tls_wanted", CheckStep::Ping, Severity::Failed, rig).await;
}
