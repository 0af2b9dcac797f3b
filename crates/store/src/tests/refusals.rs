//! What a bucket refuses, and what people read of it.

use stocktake_sink::{SecretText, SinkError, SinkErrorKind};

use super::with;
use crate::testing::BucketServer;
use crate::{BucketSettings, Place, Store};

fn told(error: &SinkError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

fn open(place: &str, settings: &BucketSettings, login: &str) -> Store {
    Store::open(&Place::parse(place).unwrap(), Some(settings), Some(&SecretText::new(login))).unwrap()
}

#[test]
#[ignore = "needs s3rver: tests/buckets.sh"]
fn a_server_that_ignores_conditional_puts_is_refused_by_name() {
    with(BucketServer::s3rver(), |server| {
        let refused = server.store("inventory").probe("v1").unwrap_err();
        let told = told(&refused);
        assert_eq!(refused.kind(), SinkErrorKind::Invalid, "{told}");
        assert!(told.contains("s3://inv/inventory cannot be used"), "{told}");
        assert!(told.contains(&format!("the server at {} ignores conditional puts", server.endpoint())), "{told}");
        assert!(told.contains("use a storage that honours them, such as Amazon S3"), "{told}");
        assert_eq!(server.store("inventory").list("").unwrap(), [], "the probe leaves nothing");
    });
}

#[test]
fn a_missing_bucket_is_told_from_a_missing_object() {
    with(BucketServer::moto(), |server| {
        let settings = server.settings_at(&server.endpoint());
        let store = open("s3://typo/inventory", &settings, server.login());
        for error in [store.probe("v1").unwrap_err(), store.read("x").unwrap_err(), store.list("").unwrap_err()] {
            let told = told(&error);
            assert_eq!(error.kind(), SinkErrorKind::Invalid, "{told}");
            let expected =
                format!("there is no such bucket at {}; create the bucket, or correct `url`", server.endpoint());
            assert!(told.ends_with(&expected) && told.contains("s3://typo/inventory"), "{told}");
        }
        assert_eq!(server.store("inventory").read("x").unwrap(), None);
    });
}
