//! Tags, manifests and configurations: cases 16, 26, 28 and 30 to 35 as far as they concern one repository.

use super::*;
use crate::fake::{self, Endpoint};

fn stocked() -> fake::Contents {
    fake::Contents::uniform(3)
}

#[tokio::test]
async fn tags_manifest_and_configuration_of_every_shape_of_server() {
    let names = ["acme/app", "acme/web"];
    for script in [
        Script::open(names),
        Script::basic(names),
        Script::distribution_like(names),
        Script::quay_like(names),
        Script::harbor_like(names),
        Script::pulp_like(names),
    ] {
        let shape = format!("{script:?}");
        let rig = Rig::new(Script { contents: stocked(), ..script }).await;
        let place = Place::alone("acme/app");
        let tags = rig.client.tags(&place).await.unwrap_or_else(|error| panic!("{error:?} of {shape}"));
        assert_eq!(tags.names.iter().collect::<Vec<_>>(), ["v0", "v1", "v2"], "{shape}");
        let resolved = rig.client.resolve(&place, "v1").await.expect("resolved");
        let manifest = rig.client.manifest(&place, &resolved.digest).await.expect("a manifest");
        assert_eq!((resolved.digest, resolved.size), (manifest.digest.clone(), Some(manifest.size)), "{shape}");
        assert_eq!(rig.client.manifest(&place, "v1").await.expect("a manifest"), manifest, "{shape}");
        let config = rig.client.config(&place, manifest.config.as_ref().expect("a config")).await.expect("read");
        assert_eq!(config.labels["org.example.salt"], "acme/app:v1");
        assert_eq!(config.platform.os.as_deref(), Some("linux"));
        let stats = rig.client.stats();
        assert_eq!((stats.head_requests, stats.manifest_requests, stats.blob_requests), (1, 2, 1), "{shape}");
        let tokens = rig.server.count(Endpoint::Token);
        assert_eq!((stats.token_requests, stats.requests), (tokens, 1 + tokens + 5), "{shape}");
        assert!(tokens <= 1, "{shape}");
    }
}
