//! The Parquet sink: one file per table and snapshot, published by [`stocktake_sink_objects`].
//!
//! The encoding is [`parquet_format`].
#![deny(missing_docs)]

use async_trait::async_trait;
use parquet_format::Parquet;
use stocktake_sink::{ConfiguredSink, Receipt, Sink, SinkError, SinkKind, SinkOption, Snapshot};
use stocktake_sink_objects::{ObjectSink, PublishedObjects, Target};

static URL: SinkOption = Target::option("./inventory");

/// The kind `parquet`.
pub const KIND: SinkKind = SinkKind {
    name: "parquet",
    summary: "`parquet`: Parquet, one file per table and snapshot.",
    configure: |options| {
        let target = Target::read(options, &URL)?;
        let (sink, published) = (target.clone(), target.clone());
        let sink = ConfiguredSink::new(move || Ok(ParquetSink::new(&sink)));
        Ok(target.claimed_by(sink).with_published(move || PublishedObjects::opening(&published, Parquet)))
    },
};

/// Opens what a sink of this kind has published to this target.
///
/// # Errors
/// As of [`Target::open`].
pub async fn published(target: &Target) -> Result<PublishedObjects, SinkError> {
    PublishedObjects::open(target, Parquet).await
}

/// Publishes snapshots as Parquet files.
#[derive(Clone, Debug)]
pub struct ParquetSink(ObjectSink);

impl ParquetSink {
    /// A sink that writes to this target. Touches nothing yet.
    pub fn new(target: &Target) -> Self {
        Self(ObjectSink::new(target, Parquet))
    }
}

#[async_trait]
impl Sink for ParquetSink {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        self.0.publish(snapshot).await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        self.0.probe().await
    }
}

#[cfg(test)]
mod tests;
