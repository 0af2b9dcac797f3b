//! The client processes: each lists the whole catalog once and prints its measurements.

use std::path::Path;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde::Deserialize;
use stocktake::config;
use stocktake::plans::plans;
use stocktake::registry::Split;
use stocktake::run::{Outcome, Run};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::Failure;
use crate::measure::{self, Measured};
use crate::split;

/// Those of the catalog's table; the last one is ours.
pub(crate) const ALL: [&str; 3] = ["floor", "oci-client", "stocktake"];

const PAGE: usize = 1000;

#[allow(clippy::print_stdout)] // the protocol between this process and its parent
pub(crate) async fn contend(name: &str, url: &str) -> Result<(), Failure> {
    let url = Url::parse(url)?;
    // In the target's own file system, so that fsync means what it means.
    let scratch = tempfile::tempdir_in(".")?;
    let begun = Instant::now();
    let mut requests = 0;
    let names = match name {
        "in-one" => split::list(&url, Split::Off, &mut requests).await?,
        "in-ranges" => split::list(&url, Split::Auto, &mut requests).await?,
        "floor" => floor(&url).await?,
        "oci-client" => oci_client(&url).await?,
        "stocktake" => stocktake(&url, scratch.path()).await?,
        _ => return Err(format!("the contenders are {}", ALL.join(", ")).into()),
    };
    let measured = Measured { requests, ..measure::now(begun.elapsed(), names) };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

#[derive(Deserialize)]
struct Catalog<'a> {
    #[serde(borrow)]
    repositories: Vec<&'a str>,
}

/// The least that any client has to do: one keep-alive connection, parse the names, follow the Link. Writes nothing.
async fn floor(url: &Url) -> Result<u64, Failure> {
    let address = format!("{}:{}", url.host_str().ok_or("no host")?, url.port().ok_or("no port")?);
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    let mut target = format!("/v2/_catalog?n={PAGE}");
    let (mut names, mut line, mut body) = (0, String::new(), Vec::new());
    loop {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let (mut length, mut next) = (0, None);
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "link" => next = value.split(['<', '>']).nth(1).map(str::to_owned),
                _ => {}
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        names += serde_json::from_slice::<Catalog<'_>>(&body)?.repositories.len() as u64;
        match next {
            Some(following) => target = following,
            None => return Ok(names),
        }
    }
}

/// The `oci-client` crate; it gives no Link, so its user asks for what follows the last name. Writes nothing.
async fn oci_client(url: &Url) -> Result<u64, Failure> {
    // The crate leaves the choice to its user; ours has the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
    let registry = format!("{}:{}", url.host_str().ok_or("no host")?, url.port().ok_or("no port")?);
    let image: Reference = format!("{registry}/any/name:latest").parse()?;
    let (mut all, mut last) = (Vec::<String>::new(), None::<String>);
    loop {
        let page = client.catalog(&image, &RegistryAuth::Anonymous, Some(PAGE), last.as_deref()).await?;
        let count = page.repositories.len();
        all.extend(page.repositories);
        last = all.last().cloned();
        if count < PAGE {
            return Ok(all.len() as u64);
        }
    }
}

/// The whole job: walk, spool, seal, and sorted Parquet, published and fsynced.
async fn stocktake(url: &Url, scratch: &Path) -> Result<u64, Failure> {
    let file = scratch.join("stocktake.yaml");
    let (state, parquet) = (scratch.join("state"), scratch.join("parquet"));
    let yaml = format!(
        "state: '{}'\nsinks:\n  warehouse: {{type: parquet, url: '{}'}}\nregistries:\n  - {{name: bench, url: '{url}'}}\n",
        state.display(),
        parquet.display()
    );
    std::fs::write(&file, yaml)?;
    let config = config::load(Some(&file)).map_err(|problems| problems.to_string())?;
    let plan = plans(&config, &[])?.into_iter().next().ok_or("no plan")?;
    let report = Run::new(&plan).publish(&CancellationToken::new()).await;
    match (&report.outcome, report.sinks.first().map(|outcome| outcome.result.is_ok())) {
        (Outcome::Judged(judged), Some(true)) => Ok(judged.record.rows_repositories),
        _ => Err(format!("{report:?}").into()),
    }
}
