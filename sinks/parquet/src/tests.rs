mod buckets;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use stocktake_sink::{Table, contract};
use stocktake_sink_objects::contract::{Bucket, Directory};
use stocktake_store::testing::BucketServer;

use super::*;

#[tokio::test]
async fn keeps_the_contract() {
    contract::run(|| Directory::new(tempfile::tempdir().unwrap(), |target| Arc::new(ParquetSink::new(&target)), read))
        .await;
}

#[tokio::test]
async fn keeps_the_contract_on_s3() {
    keeps_the_contract_on(BucketServer::moto()).await;
}

#[tokio::test]
#[ignore = "needs Azurite: tests/buckets.sh"]
async fn keeps_the_contract_on_azure() {
    keeps_the_contract_on(BucketServer::azurite()).await;
}

async fn keeps_the_contract_on(server: BucketServer) {
    Bucket::run_contract(server, |target| Arc::new(ParquetSink::new(&target)), read).await;
}

fn read(path: &Path, table: Table) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    assert_eq!(builder.schema().fields(), table.schema().fields());
    builder.build().unwrap().map(Result::unwrap).collect()
}
