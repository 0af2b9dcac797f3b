//! Prints the configuration of one image, read without a login:
//! `cargo run -p registry-client --example inspect_image -- https://quay.io prometheus/busybox latest`

use std::error::Error;

use registry_client::{Client, Contents as _, ImageConfig, RegistrySettings, RepositoryRef};

pub async fn inspect_image(url: &str, repository: &str, tag: &str) -> Result<ImageConfig, Box<dyn Error>> {
    let client = Client::new(RegistrySettings::new("example", url.parse()?))?;
    let repository = RepositoryRef::alone(repository);
    let mut manifest = client.manifest(&repository, tag).await?;
    // An index lists one image for each platform.
    let is_wanted = |platform: Option<&str>| platform == Some("amd64");
    if let Some(child) = manifest.children.iter().find(|child| is_wanted(child.platform.architecture.as_deref())) {
        manifest = client.manifest(&repository, &child.descriptor.digest).await?;
    }
    let config = manifest.config.as_ref().ok_or("the tag leads to no image for amd64")?;
    Ok(client.config(&repository, config).await?)
}

#[tokio::main]
#[allow(clippy::print_stdout)] // the configuration is the program's output
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, repository, tag] = arguments.as_slice() else {
        return Err("usage: inspect_image URL REPOSITORY TAG".into());
    };
    println!("{:#?}", inspect_image(url, repository, tag).await?);
    Ok(())
}
