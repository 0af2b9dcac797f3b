//! A prefix of a bucket on a real server for the contract suite.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use stocktake_sink::contract::{self, Harness, Visible};
use stocktake_sink::{SecretPlace, SecretText, Sink, SnapshotId, Table, UnreadableSecret};
use stocktake_store::testing::BucketServer;
use stocktake_store::{BucketKind, BucketSettings, Place, Store};

use super::found::{Found, orphans};
use crate::{SnapshotManifest, Target};

/// A prefix of a bucket, how the sink is opened on it, and how an object of its format is read.
#[derive(Clone, Debug)]
pub struct Bucket {
    server: Arc<BucketServer>,
    prefix: String,
    open: fn(Target) -> Arc<dyn Sink>,
    read: fn(&Path, Table) -> Vec<RecordBatch>,
}

impl Bucket {
    /// The prefix is one that no other harness of this server has.
    pub fn new(
        server: &Arc<BucketServer>,
        prefix: String,
        open: fn(Target) -> Arc<dyn Sink>,
        read: fn(&Path, Table) -> Vec<RecordBatch>,
    ) -> Self {
        Self { server: Arc::clone(server), prefix, open, read }
    }

    /// Runs the contract suite on this server, each of its checks on a prefix of its own.
    pub async fn run_contract(
        server: BucketServer,
        open: fn(Target) -> Arc<dyn Sink>,
        read: fn(&Path, Table) -> Vec<RecordBatch>,
    ) {
        let (server, made) = (Arc::new(server), AtomicUsize::new(0));
        let prefix = || format!("check-{}", made.fetch_add(1, Ordering::Relaxed));
        contract::run(|| Self::new(&server, prefix(), open, read)).await;
    }

    /// A prefix of the bucket `inv` on an S3 server that another process started.
    pub fn target_of_s3(endpoint: &str, prefix: &str) -> Target {
        let mut settings = BucketSettings::new(BucketKind::S3);
        for (key, value) in [("aws_region", "us-east-1"), ("aws_endpoint", endpoint)] {
            settings.add(key, value).expect("a setting");
        }
        let place = Place::parse(&format!("s3://inv/{prefix}")).expect("a place");
        Target::bucket(place, settings, Some(Arc::new(KnownLogin(BucketServer::S3_LOGIN))))
    }

    /// The target through this endpoint: that of the server, or of a proxy before it.
    pub fn target_at(&self, endpoint: &str) -> Target {
        let login = KnownLogin(self.server.login());
        Target::bucket(self.server.place(&self.prefix), self.server.settings_at(endpoint), Some(Arc::new(login)))
    }

    /// The store that the sink writes to.
    pub fn store(&self) -> Store {
        self.server.store(&self.prefix)
    }

    /// All manifests.
    pub async fn manifests(&self) -> Vec<SnapshotManifest> {
        self.with_found(|_, found| found.manifests()).await
    }

    async fn with_found<T: Send + 'static>(&self, look: impl FnOnce(&Self, &Found<'_>) -> T + Send + 'static) -> T {
        let bucket = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let store = bucket.store();
            let keys = store.list("").expect("a list").into_iter().map(|object| object.key).collect();
            let bytes =
                |key: &str| store.read(key).expect("an answer").unwrap_or_else(|| panic!("read {key}: not there"));
            look(&bucket, &Found { keys, bytes: Box::new(bytes) })
        });
        looked.await.expect("a look at the bucket")
    }
}

#[async_trait]
impl Harness for Bucket {
    async fn open(&self) -> Arc<dyn Sink> {
        (self.open)(self.target_at(&self.server.endpoint()))
    }

    async fn visible(&self) -> Vec<Visible> {
        self.with_found(|bucket, found| {
            found.visible(|object, bytes| {
                let file = tempfile::NamedTempFile::new().expect("a file");
                std::fs::write(file.path(), bytes).expect("a copy of the object");
                (bucket.read)(file.path(), object.table)
            })
        })
        .await
    }

    async fn plant_leftovers(&self, id: &SnapshotId) {
        let id = id.clone();
        self.with_found(move |bucket, found| {
            // Killed before the manifest, or a loser killed before it removed its objects: whole objects of another walk.
            let format = found.manifests().first().map(|manifest| manifest.format.clone());
            for object in orphans(&id, Some("0123abcd"), &format.unwrap_or_else(|| "half".to_owned())) {
                bucket.store().replace(&object, b"whole, and of another walk").expect("an orphan");
            }
        })
        .await;
    }

    async fn leftovers(&self) -> Vec<String> {
        let mut left = self.with_found(|_, found| found.leftovers()).await;
        left.extend(self.server.unfinished_uploads(&self.prefix));
        left
    }
}

/// A login that is known before.
#[derive(Debug)]
struct KnownLogin(&'static str);

#[async_trait]
impl SecretPlace for KnownLogin {
    async fn read(&self) -> Result<SecretText, UnreadableSecret> {
        Ok(SecretText::new(self.0))
    }

    fn look(&self) -> Result<(), UnreadableSecret> {
        Ok(())
    }
}
