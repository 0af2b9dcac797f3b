//! Fills a running docker-registry over HTTP, as clients do, and says what it is to hold afterwards.

use std::collections::BTreeMap;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use fake_registry::{DOCKER_IMAGE, DOCKER_LIST, OCI_IMAGE, OCI_INDEX, sha256};
use stocktake::registry::ContentKind;
use stocktake::registry::{Child, Descriptor, ImageConfig, Manifest, Oddities, Platform};

use super::docker_registry::DockerRegistry;

const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What a repository holds, in the words of the protocol client.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExpectedRepository {
    /// Tags and what they point to, also where that is gone.
    pub(crate) tags: BTreeMap<String, String>,
    /// The manifests that are there, by digest.
    pub(crate) manifests: BTreeMap<String, Manifest>,
    /// The configurations of images, by digest.
    pub(crate) configs: BTreeMap<String, ImageConfig>,
}

/// What was pushed, by repository.
pub(crate) type Pushed = BTreeMap<String, ExpectedRepository>;

/// Pushes one of everything: `acme/app` two images and three tags, `acme/multi` an OCI index and a docker list,
/// `acme/signed` an image and an artifact about it, `acme/gone` an index with a deleted child, `acme/dangling` a tag
/// whose manifest is lost, `acme/empty` nothing any more, `acme/deep/er__name/x` awkward tags.
pub(crate) async fn everything(registry: &DockerRegistry) -> Pushed {
    let mut pushed = Pushed::new();
    let mut app = Pusher::new(registry, "acme/app");
    let old = app.image(DOCKER_IMAGE, "linux/amd64", "v1").await;
    let new = app.image(OCI_IMAGE, "linux/amd64", "v2").await;
    for (tag, image) in [("v1", &old), ("v2", &new), ("latest", &new)] {
        app.tag(tag, image).await;
    }
    pushed.insert("acme/app".to_owned(), app.held);

    let mut multi = Pusher::new(registry, "acme/multi");
    for (tag, index_type, image_type) in [("oci", OCI_INDEX, OCI_IMAGE), ("docker", DOCKER_LIST, DOCKER_IMAGE)] {
        let children =
            [multi.image(image_type, "linux/amd64", tag).await, multi.image(image_type, "linux/arm64/v8", tag).await];
        let index = multi.index(index_type, &children).await;
        multi.tag(tag, &index).await;
    }
    pushed.insert("acme/multi".to_owned(), multi.held);

    let mut signed = Pusher::new(registry, "acme/signed");
    let subject = signed.image(OCI_IMAGE, "linux/s390x", "signed").await;
    signed.tag("1.0", &subject).await;
    let signature = signed.artifact("application/vnd.example.signature", &subject).await;
    signed.tag("1.0.sig", &signature).await;
    pushed.insert("acme/signed".to_owned(), signed.held);

    let mut gone = Pusher::new(registry, "acme/gone");
    let children =
        [gone.image(OCI_IMAGE, "linux/amd64", "gone").await, gone.image(OCI_IMAGE, "linux/arm64/v8", "gone").await];
    let index = gone.index(OCI_INDEX, &children).await;
    gone.tag("half", &index).await;
    gone.delete(&children[1]).await;
    pushed.insert("acme/gone".to_owned(), gone.held);

    let mut dangling = Pusher::new(registry, "acme/dangling");
    for tag in ["good", "lost"] {
        let image = dangling.image(OCI_IMAGE, "linux/amd64", tag).await;
        dangling.tag(tag, &image).await;
    }
    let lost = dangling.held.tags["lost"].clone();
    registry.lose_manifest("acme/dangling", &lost);
    dangling.held.manifests.remove(&lost);
    pushed.insert("acme/dangling".to_owned(), dangling.held);

    let mut empty = Pusher::new(registry, "acme/empty");
    let image = empty.image(OCI_IMAGE, "linux/amd64", "empty").await;
    empty.tag("v1", &image).await;
    empty.delete(&image).await;
    pushed.insert("acme/empty".to_owned(), empty.held);

    let name = "acme/deep/er__name/x";
    let mut deep = Pusher::new(registry, name);
    let image = deep.image(OCI_IMAGE, "linux/riscv64", "deep").await;
    let tags: Vec<String> = ["V1.0-RC_2", &"t".repeat(128), "_"]
        .map(str::to_owned)
        .into_iter()
        .chain((0..1500).map(|number| format!("build-{number}")))
        .collect();
    deep.tag(&tags[0], &image).await;
    registry.seed_tags(name, &image.digest, &tags);
    deep.held.tags.extend(tags.into_iter().map(|tag| (tag, image.digest.clone())));
    pushed.insert(name.to_owned(), deep.held);
    pushed
}

/// Pushes to one repository, and notes what it holds.
pub(crate) struct Pusher<'a> {
    registry: &'a DockerRegistry,
    repository: String,
    client: Client,
    pub(crate) held: ExpectedRepository,
    /// The bytes of manifests, to be pushed again under tags.
    bytes: BTreeMap<String, (String, Vec<u8>)>,
}

impl<'a> Pusher<'a> {
    pub(crate) fn new(registry: &'a DockerRegistry, repository: &str) -> Self {
        let client = super::client();
        Self {
            registry,
            repository: repository.to_owned(),
            client,
            held: ExpectedRepository::default(),
            bytes: BTreeMap::new(),
        }
    }

    /// Pushes an image for a platform such as `linux/arm64/v8`; `salt` makes it another image.
    pub(crate) async fn image(&mut self, media_type: &str, platform: &str, salt: &str) -> Manifest {
        let platform = platform_of(platform);
        let labels = BTreeMap::from([("org.example.salt".to_owned(), salt.to_owned())]);
        let created = "2026-01-02T03:04:05.678901234Z";
        let config = json!({
            "os": platform.os, "architecture": platform.architecture, "variant": platform.variant,
            "created": created, "config": {"Labels": labels}, "rootfs": {"type": "layers", "diff_ids": []},
        });
        let config_type = if media_type == DOCKER_IMAGE { DOCKER_CONFIG } else { OCI_CONFIG };
        let config = self.blob(config_type, config.to_string().into_bytes()).await;
        let layers = vec![self.blob(LAYER, "base").await, self.blob(LAYER, format!("layer of {salt}")).await];
        let created = Some(created.parse().expect("a time"));
        self.held
            .configs
            .insert(config.digest.clone(), ImageConfig { platform, created, labels, oddities: Oddities::default() });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type, "config": written(&config),
            "layers": layers.iter().map(written).collect::<Vec<_>>(),
        });
        let expected = Manifest { config: Some(config), layers, ..expected(media_type, ContentKind::Image) };
        self.manifest(&manifest, expected).await
    }

    /// Pushes an index of images that were pushed here.
    pub(crate) async fn index(&mut self, media_type: &str, children: &[Manifest]) -> Manifest {
        let children: Vec<_> = children
            .iter()
            .map(|child| Child { descriptor: descriptor(child), platform: self.platform(child) })
            .collect();
        let entry = |child: &Child| {
            let mut entry = written(&child.descriptor);
            let Platform { os, architecture, variant } = &child.platform;
            entry["platform"] = json!({"os": os, "architecture": architecture});
            if let Some(variant) = variant {
                entry["platform"]["variant"] = variant.as_str().into();
            }
            entry
        };
        let index = json!({
            "schemaVersion": 2, "mediaType": media_type, "manifests": children.iter().map(entry).collect::<Vec<_>>(),
        });
        let expected = Manifest { children, ..expected(media_type, ContentKind::Index) };
        self.manifest(&index, expected).await
    }

    /// Pushes an artifact about a subject.
    pub(crate) async fn artifact(&mut self, artifact_type: &str, subject: &Manifest) -> Manifest {
        let config = self.blob(OCI_EMPTY, "{}").await;
        let layers = vec![self.blob("text/plain", "signed").await];
        let annotations = BTreeMap::from([("org.example.by".to_owned(), "tests".to_owned())]);
        let artifact = json!({
            "schemaVersion": 2, "mediaType": OCI_IMAGE, "artifactType": artifact_type, "config": written(&config),
            "layers": layers.iter().map(written).collect::<Vec<_>>(), "subject": written(&descriptor(subject)),
            "annotations": annotations,
        });
        let expected = Manifest {
            artifact_type: Some(artifact_type.to_owned()),
            subject: Some(subject.digest.clone()),
            config: Some(config),
            layers,
            annotations,
            ..expected(OCI_IMAGE, ContentKind::Artifact)
        };
        self.manifest(&artifact, expected).await
    }

    /// Tags a manifest that was pushed here.
    pub(crate) async fn tag(&mut self, tag: &str, manifest: &Manifest) {
        let (media_type, bytes) = self.bytes[&manifest.digest].clone();
        self.put_manifest(tag, &media_type, bytes).await;
        self.held.tags.insert(tag.to_owned(), manifest.digest.clone());
    }

    /// Deletes a manifest, and with it, as docker-registry does, its tags.
    pub(crate) async fn delete(&mut self, manifest: &Manifest) {
        let url = self.url(&format!("manifests/{}", manifest.digest));
        self.send(Method::DELETE, url, None, StatusCode::ACCEPTED).await;
        self.held.manifests.remove(&manifest.digest);
        self.held.tags.retain(|_, digest| *digest != manifest.digest);
    }

    async fn manifest(&mut self, json: &Value, expected: Manifest) -> Manifest {
        let bytes = json.to_string().into_bytes();
        let digest = sha256(&bytes);
        let size = i64::try_from(bytes.len()).expect("small");
        let manifest = Manifest { digest: digest.clone(), size, ..expected };
        self.put_manifest(&digest, &manifest.media_type, bytes.clone()).await;
        self.bytes.insert(digest.clone(), (manifest.media_type.clone(), bytes));
        self.held.manifests.insert(digest, manifest.clone());
        manifest
    }

    async fn put_manifest(&self, reference: &str, media_type: &str, bytes: Vec<u8>) {
        let url = self.url(&format!("manifests/{reference}"));
        self.send(Method::PUT, url, Some((media_type, bytes)), StatusCode::CREATED).await;
    }

    async fn blob(&self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Descriptor {
        let bytes = bytes.into();
        let (digest, size) = (sha256(&bytes), i64::try_from(bytes.len()).expect("small"));
        let upload = self.send(Method::POST, self.url("blobs/uploads/"), None, StatusCode::ACCEPTED).await;
        let mut upload = self.registry.url().join(&upload.expect("a location")).expect("a URL");
        upload.query_pairs_mut().append_pair("digest", &digest);
        self.send(Method::PUT, upload, Some(("application/octet-stream", bytes)), StatusCode::CREATED).await;
        Descriptor { digest, size: Some(size), media_type: media_type.to_owned() }
    }

    fn platform(&self, image: &Manifest) -> Platform {
        let config = &image.config.as_ref().expect("an image").digest;
        self.held.configs[config].platform.clone()
    }

    fn url(&self, what: &str) -> Url {
        self.registry.url().join(&format!("v2/{}/{what}", self.repository)).expect("a URL")
    }

    /// Sends, expects a status, and gives the answer's `Location`.
    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<(&str, Vec<u8>)>,
        status: StatusCode,
    ) -> Option<String> {
        let mut request = self.client.request(method, url.clone());
        if let Some(authorization) = self.registry.authorization(&self.client, &self.repository).await {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((media_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(bytes);
        }
        let answer = request.send().await.expect("an answer");
        let location = answer.headers().get(LOCATION).map(|to| to.to_str().expect("text").to_owned());
        let got = answer.status();
        assert_eq!(got, status, "{url}: {}", answer.text().await.unwrap_or_default());
        location
    }
}

fn expected(media_type: &str, kind: ContentKind) -> Manifest {
    Manifest {
        digest: String::new(),
        media_type: media_type.to_owned(),
        size: 0,
        kind,
        artifact_type: None,
        subject: None,
        config: None,
        layers: Vec::new(),
        children: Vec::new(),
        annotations: BTreeMap::new(),
        oddities: Oddities::default(),
    }
}

fn descriptor(manifest: &Manifest) -> Descriptor {
    let Manifest { digest, size, media_type, .. } = manifest.clone();
    Descriptor { digest, size: Some(size), media_type }
}

fn written(descriptor: &Descriptor) -> Value {
    json!({"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size})
}

fn platform_of(text: &str) -> Platform {
    let mut words = text.split('/').map(str::to_owned);
    Platform { os: words.next(), architecture: words.next(), variant: words.next() }
}
