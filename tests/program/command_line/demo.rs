//! `stocktake demo`, as the README has a newcomer run it.

use std::fs::{self, File};

use parquet::file::reader::{FileReader as _, SerializedFileReader};

use crate::support::program::Workplace;

#[tokio::test]
async fn the_demo_ends_with_the_path_of_a_parquet_file_of_all_its_repositories() {
    let place = Workplace::new();
    let before = place.tree(".").len();
    let ended = place.run(&["demo", "--repositories", "340", "--output", "shown"]).await.exits(0);
    let path = place.path(ended.stdout.lines().last().expect("a line"));
    assert!(path.starts_with(place.path("shown/parquet/v1/repositories/registry=demo")), "{}", path.display());
    assert!(ended.stdout.lines().all(|line| line.ends_with(".parquet")), "{}", ended.stdout);
    let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    assert_eq!(file.metadata().file_metadata().num_rows(), 340);

    // All that it leaves is where it was told to; the password of its registry is gone.
    assert!(place.tree("tmp").is_empty());
    assert_eq!(place.tree(".").len(), before + place.tree("shown").len() + 1);
    let config = fs::read_to_string(place.path("shown/stocktake.yaml")).unwrap();
    assert!(config.contains("password_file: "));
    ended.says(" during the walk");
}

#[tokio::test]
async fn the_demo_can_be_shown_twice() {
    let place = Workplace::new();
    // The second time with far fewer: that is no lost permission.
    for count in ["100", "1"] {
        place.run(&["demo", "--repositories", count]).await.exits(0);
    }
    let manifests = place.tree("stocktake-demo/parquet/v1/_runs/registry=demo");
    assert_eq!(manifests.len(), 2);
}
