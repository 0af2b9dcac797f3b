//! What a bucket refuses, and what people read of it.

use std::net::TcpListener;

use stocktake_sink::SinkErrorKind::{Forbidden, Full, Invalid, Unavailable};
use stocktake_sink::{SecretText, SinkError, SinkErrorKind};
use tokio::time::Instant;

use super::{blocking, with};
use crate::testing::{BucketFate, BucketServer};
use crate::{BucketKind, BucketSettings, Place, Store};

fn told(error: &SinkError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

const LOGIN: &str = "aws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n";

fn open(place: &str, settings: &[(&str, &str)], login: Option<&str>) -> Result<Store, SinkError> {
    let mut all = BucketSettings::new(BucketKind::S3);
    for (key, value) in settings {
        all.add(key, value).unwrap();
    }
    Store::open(&Place::parse(place).unwrap(), Some(&all), login.map(SecretText::new).as_ref())
}

fn refused(error: &SinkError, kind: SinkErrorKind, cause: &str, remedy: &str) {
    let told = told(error);
    assert_eq!(error.kind(), kind, "{told}");
    assert!(told.contains(cause) && told.contains(remedy), "expected {cause}; {remedy}, found {told}");
    assert!(told.contains("s3://inv/inventory"), "{told}");
    for secret in ["S3RVER", "s3cr3t"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
#[ignore = "needs s3rver: tests/buckets.sh"]
fn a_server_that_ignores_conditional_puts_is_refused_by_name() {
    with(BucketServer::s3rver(), |server| {
        let error = server.store("inventory").probe("v1").unwrap_err();
        let cause = format!("the server at {} ignores conditional puts", server.endpoint());
        refused(&error, Invalid, &cause, "use a storage that honours them, such as Amazon S3");
        assert_eq!(server.store("inventory").list("").unwrap(), [], "the probe leaves nothing");
    });
}

#[test]
fn a_missing_bucket_is_told_from_a_missing_object() {
    with(BucketServer::moto(), |server| {
        let settings = [("aws_endpoint", server.endpoint()), ("aws_region", "us-east-1".to_owned())];
        let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let store = open("s3://typo/inventory", &settings, Some(LOGIN)).unwrap();
        let expected = format!("there is no such bucket at {}; create the bucket, or correct `url`", server.endpoint());
        for error in [store.probe("v1").unwrap_err(), store.read("x").unwrap_err(), store.list("").unwrap_err()] {
            let told = told(&error);
            assert_eq!(error.kind(), Invalid, "{told}");
            assert!(told.ends_with(&expected) && told.contains("s3://typo/inventory"), "{told}");
        }
        assert_eq!(server.store("inventory").read("x").unwrap(), None);
    });
}

#[test]
fn each_refusal_of_a_server_has_its_cause_and_its_remedy() {
    let answers = [
        (403, "AccessDenied", Forbidden, "access denied (AccessDenied)", "allow this login to s3:ListBucket"),
        (403, "InvalidAccessKeyId", Forbidden, "does not know this access key ID", "correct the ID"),
        (403, "SignatureDoesNotMatch", Forbidden, "refused the signature", "correct the secret"),
        (400, "ExpiredToken", Forbidden, "the credentials have expired", "put new ones where the sink reads them"),
        (403, "RequestTimeTooSkewed", Invalid, "the clock of this machine differs", "set the clock"),
        (301, "PermanentRedirect", Invalid, "the bucket is in another region", "set `aws_region` in `options`"),
        (400, "AuthorizationHeaderMalformed", Invalid, "another region", "set `aws_region` in `options`"),
        (507, "XMinioStorageFull", Full, "the bucket is full", "make room"),
        (503, "SlowDown", Unavailable, "answered 503 (SlowDown)", "this passes by itself"),
        (401, "", Forbidden, "refused the login", "correct the credentials of the sink"),
        (418, "Teapot", Invalid, "answered 418 (Teapot)", "with the protocol that `url` says"),
    ];
    with(BucketServer::moto(), move |server| {
        for (status, code, kind, cause, remedy) in answers {
            // Whatever else a server writes is not shown: it may repeat the login.
            let body = format!("<Error><Code>{code}</Code><Message>no: s3cr3t</Message><Key>S3RVER</Key></Error>");
            let proxy = server.proxy(move |_| BucketFate::Answer(status, body.clone()));
            let store = server.store_at(&proxy.endpoint(), "inventory");
            refused(&store.probe("v1").unwrap_err(), kind, cause, remedy);
            refused(&store.create("v1/x", b"").unwrap_err(), kind, cause, remedy);
            let mut staged = store.stage("v1/y").unwrap();
            std::io::Write::write_all(&mut staged, b"rows").unwrap();
            refused(&staged.commit().unwrap_err(), kind, cause, remedy);
        }
    });
}

#[test]
fn a_bucket_that_cannot_be_reached_is_told_with_cause_and_remedy() {
    blocking(|| {
        // No process listens on this port: its listener is gone.
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let endpoint = format!("http://{gone}");
        let store = open("s3://inv/inventory", &[("aws_endpoint", &endpoint)], Some(LOGIN)).unwrap();
        let cause = format!("cannot connect to {endpoint}: ");
        refused(&store.probe("v1").unwrap_err(), Unavailable, &cause, "see whether the storage runs");

        let unknown = [("aws_endpoint", "https://storage.invalid")];
        let store = open("s3://inv/inventory", &unknown, Some(LOGIN)).unwrap();
        let cause = "the name of https://storage.invalid cannot be resolved";
        refused(&store.probe("v1").unwrap_err(), Unavailable, cause, "correct the endpoint or the region");

        let plain = [("aws_endpoint", "http://minio.example.com:9000/s3cr3t")];
        let error = open("s3://inv/inventory", &plain, Some(LOGIN)).unwrap_err();
        let cause = "http://minio.example.com:9000 is plain HTTP";
        refused(&error, Invalid, cause, "use https, or set `aws_allow_http: true` in `options`");
        let allowed = [plain[0], ("aws_allow_http", "true")];
        assert!(open("s3://inv/inventory", &allowed, Some(LOGIN)).is_ok());

        let error = open("s3://inv/inventory", &[], Some("s3cr3t")).unwrap_err();
        refused(&error, Invalid, "line 1 of the login is not `KEY = VALUE`", "");
    });
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_away() {
    with(BucketServer::moto(), |server| {
        let endpoint = server.endpoint().replace("http:", "https:");
        let store = open("s3://inv/inventory", &[("aws_endpoint", &endpoint)], Some(LOGIN)).unwrap();
        let cause = format!("no TLS with {endpoint}: ");
        refused(&store.probe("v1").unwrap_err(), Invalid, &cause, "SSL_CERT_FILE, or correct the endpoint");
    });
}

#[test]
fn a_server_that_is_silent_is_given_up_soon() {
    with(BucketServer::moto(), |server| {
        let proxy = server.proxy(|_| BucketFate::Hang);
        let store = server.store_at(&proxy.endpoint(), "inventory");
        let begun = Instant::now();
        let cause = format!("no answer from {} in time", proxy.endpoint());
        refused(&store.probe("v1").unwrap_err(), Unavailable, &cause, "raise `timeout` in `options`");
        // Three attempts of the program, and its pauses, take less than a minute.
        assert!(begun.elapsed().as_secs() <= 14, "{:?}", begun.elapsed());
    });
}

#[test]
fn a_machine_without_credentials_is_told_so() {
    blocking(|| {
        // No process listens where a cloud machine would have its metadata service.
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let metadata = format!("http://{gone}");
        let settings = [("aws_endpoint", "https://storage.invalid"), ("aws_metadata_endpoint", &metadata)];
        let store = open("s3://inv/inventory", &settings, None).unwrap();
        refused(
            &store.probe("v1").unwrap_err(),
            Forbidden,
            "no credentials found",
            "set `credentials_file` of the sink",
        );
    });
}
