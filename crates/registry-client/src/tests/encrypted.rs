//! TLS: which servers the client trusts, and which client certificate it sends.

use fake_registry::tls::{KeyPair, NAME, own, serve, serve_those};

use super::*;

async fn outcome(change: impl FnOnce(&mut RegistrySettings)) -> Walked {
    let mut settings = settings(serve(), Auth::None);
    change(&mut settings);
    walk(&Client::build(settings, QUICK, ListBounds::default(), Arc::new(())).expect("a client")).await
}

#[tokio::test]
async fn an_unknown_issuer_or_one_with_another_key_is_refused_at_once_and_ca_file_is_the_remedy() {
    for name in ["elsewhere", NAME] {
        let file = secret_file(&KeyPair::new(name).certificate);
        let trusting = RegistrySettings { ca_file: Some(file.path().to_owned()), ..settings(serve(), Auth::None) };
        let client = Client::build(trusting, QUICK, ListBounds::default(), Arc::new(())).expect("a client");
        let error = walk(&client).await.error.expect("refused");
        assert_eq!((error.fault(), error.step()), (Fault::Tls, Step::Ping), "{error:?}");
        assert!(error.remedy().contains("ca_file"), "{}", error.remedy());
        assert_eq!(client.stats().retries, 0);
    }
}

#[tokio::test]
async fn a_certificate_of_ca_file_is_trusted() {
    let file = secret_file(&own().certificate);
    let walked = outcome(|settings| settings.ca_file = Some(file.path().to_owned())).await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
    assert_eq!(walked.names(), ["a"]);
}

#[tokio::test]
async fn insecure_tls_trusts_anybody() {
    let walked = outcome(|settings| settings.insecure_tls = true).await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
}

/// A certificate and its key in files.
struct Shown {
    certificate: NamedTempFile,
    key: NamedTempFile,
}

impl Shown {
    fn of(certificate: &str, key: &str) -> Self {
        Self { certificate: secret_file(certificate), key: secret_file(key) }
    }

    fn settings(&self) -> ClientCertificate {
        ClientCertificate {
            certificate: self.certificate.path().into(),
            key: self.key.path().into(),
            allow_readable: false,
        }
    }
}

#[tokio::test]
async fn a_server_that_wants_to_know_us_is_shown_our_certificate() {
    let (known, stranger) = (KeyPair::new("inventory"), KeyPair::new("stranger"));
    let authority = secret_file(&own().certificate);
    for (pair, welcome) in [(Some(&known), true), (Some(&stranger), false), (None, false)] {
        for insecure_tls in [false, true] {
            let shown = pair.map(|pair| Shown::of(&pair.certificate, &pair.key));
            let mut settings = settings(serve_those(Some(&known)), Auth::None);
            settings.client_certificate = shown.as_ref().map(Shown::settings);
            settings.insecure_tls = insecure_tls;
            settings.ca_file = (!insecure_tls).then(|| authority.path().to_owned());
            let walked =
                walk(&Client::build(settings, QUICK, ListBounds::default(), Arc::new(())).expect("a client")).await;
            match walked.error {
                None => assert!(welcome && walked.names() == ["a"]),
                Some(error) => {
                    assert!(!welcome && error.fault() == Fault::Tls, "{error:?}");
                    assert!(error.remedy().contains("client_cert_file"), "{}", error.remedy());
                }
            }
        }
    }
}

#[test]
fn a_client_certificate_that_cannot_be_used_says_which_file_and_why() {
    let (pair, other) = (KeyPair::new("inventory"), KeyPair::new("other"));
    let (certificate, key) = (pair.certificate.as_str(), pair.key.as_str());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let torn = "-----BEGIN CERTIFICATE-----\nhunter2";
    for (certificate, key, said, remedy) in [
        (key, key, "there are no certificates in CERT", "`client_cert_file` must have PEM"),
        ("", key, "there are no certificates in CERT", "`client_cert_file` must have PEM"),
        (torn, key, "the certificates in CERT cannot be read", "`client_cert_file` must have PEM"),
        (certificate, "", "there is no unencrypted private key in PEM in KEY", "`openssl pkey"),
        (certificate, encrypted, "there is no unencrypted private key in PEM in KEY", "`openssl pkey"),
        (certificate, certificate, "there is no unencrypted private key in PEM in KEY", "`openssl pkey"),
        (certificate, &other.key, "the key in KEY is not the one of the first certificate in CERT", "begin with"),
    ] {
        let shown = Shown::of(certificate, key);
        assert_refused(shown.settings(), said, remedy, &shown);
    }
    let shown = Shown::of(certificate, key);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(shown.key.path(), open).expect("a mode");
    assert_refused(shown.settings(), "KEY can be read by its group or by others", "client_key_file", &shown);
    let missing = ClientCertificate { certificate: "/nonexistent/cert".into(), ..shown.settings() };
    assert_refused(missing, "cannot read /nonexistent/cert: there is no such file", "client_cert_file", &shown);
}

#[track_caller]
fn assert_refused(own: ClientCertificate, said: &str, remedy: &str, shown: &Shown) {
    let url = "https://r.example".parse().expect("a URL");
    let settings = RegistrySettings { client_certificate: Some(own), insecure_tls: true, ..settings(url, Auth::None) };
    let error = Client::new(settings).expect_err("refused");
    assert_eq!((error.fault(), error.step()), (Fault::Tls, Step::Setup));
    let source = std::error::Error::source(&error).expect("a source").to_string();
    let source = source.replace(&shown.certificate.path().display().to_string(), "CERT");
    let source = source.replace(&shown.key.path().display().to_string(), "KEY");
    assert!(source.contains(said), "{source}");
    assert!(error.remedy().contains(remedy), "{}", error.remedy());
    assert!(!format!("{error:?} {source}").contains("hunter2"), "{error:?}");
}
