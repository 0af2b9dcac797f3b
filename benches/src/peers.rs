//! Other clients for comparison: the crate `oci-client` within this process, and the load generator `oha` as another process.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures::{StreamExt, TryStreamExt, stream};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde::Deserialize;
use tokio::process::Command;
use url::Url;

use crate::BenchError;
use crate::contenders::{PAGE, ReadDepth, Task, authority};
use crate::server::{self, Content};

/// Lists with the crate `oci-client`. It does not return the `Link` header, so the next page is requested with `last=`. Tags are
/// read after the complete catalog. Writes nothing.
pub(crate) async fn oci_client(url: &Url, task: Task) -> Result<u64, BenchError> {
    // The crate needs a TLS provider. stocktake uses the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
    let registry = authority(url)?;
    let image: Reference = format!("{registry}/any/name:latest").parse()?;
    let (mut all, mut last) = (Vec::<String>::new(), None::<String>);
    loop {
        let page = client.catalog(&image, &RegistryAuth::Anonymous, Some(PAGE), last.as_deref()).await?;
        let count = page.repositories.len();
        all.extend(page.repositories);
        last = all.last().cloned();
        if count < PAGE {
            break;
        }
    }
    match task.depth {
        ReadDepth::Repositories => Ok(all.len() as u64),
        ReadDepth::Tags => {
            let (client, registry) = (&client, &registry);
            let tags = all.iter().map(|name| async move {
                let image: Reference = format!("{registry}/{name}:latest").parse()?;
                let listed = client.list_tags(&image, &RegistryAuth::Anonymous, Some(PAGE), None).await?;
                Ok::<_, BenchError>(listed.tags.len() as u64)
            });
            stream::iter(tags)
                .buffer_unordered(task.connections)
                .try_fold(0, |sum, tags| async move { Ok(sum + tags) })
                .await
        }
        ReadDepth::Manifests => Err("oci-client does not read manifests".into()),
    }
}

#[derive(Deserialize)]
struct OhaReport {
    summary: OhaSummary,
}

#[derive(Deserialize)]
struct OhaSummary {
    #[serde(rename = "successRate")]
    success_rate: f64,
    total: f64,
}

/// The path of `oha`: in `$PATH`, or where `cargo install oha --root target/peers` installs it.
pub(crate) fn oha() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin");
    std::env::split_paths(&path).chain([own]).map(|directory| directory.join("oha")).find(|file| file.is_file())
}

/// Requests the tags of random repositories with `oha`, one request for each row of the task, without the catalog. Returns the
/// seconds that `oha` reports.
pub(crate) async fn run_oha(url: &Url, task: Task) -> Result<f64, BenchError> {
    let oha = oha().ok_or("oha is not installed")?;
    let names = server::names(Content::of(task.rows));
    let urls = names.iter().map(|name| Ok(url.join(&format!("/v2/{name}/tags/list?n={PAGE}"))?.to_string() + "\n"));
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("urls");
    std::fs::write(&file, urls.collect::<Result<String, BenchError>>()?)?;
    let mut command = Command::new(oha);
    command.args(["--no-tui", "--output-format", "json", "--urls-from-file"]).arg(&file);
    command.args(["-n", &task.rows.to_string(), "-c", &task.connections.to_string()]);
    let done = command.stderr(Stdio::inherit()).output().await?;
    let report: OhaReport = serde_json::from_slice(&done.stdout)?;
    if report.summary.success_rate < 1.0 {
        return Err(format!("oha: the success rate is {}", report.summary.success_rate).into());
    }
    Ok(report.summary.total)
}
