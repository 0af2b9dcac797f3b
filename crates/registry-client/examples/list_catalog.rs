//! Prints the names of all repositories of a private registry:
//! `cargo run -p registry-client --example list_catalog -- https://registry.example.com robot /run/secrets/password`

use std::error::Error;

use futures::StreamExt as _;
use registry_client::{Auth, Client, PasswordLogin, RegistrySettings, SecretSource};

pub async fn list_catalog(url: &str, user: &str, password_file: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let login = PasswordLogin { username: user.into(), password: SecretSource::File(password_file.into()) };
    let auth = Auth::Token(Some(login));
    let client = Client::new(RegistrySettings { auth, ..RegistrySettings::new("example", url.parse()?) })?;
    let mut pages = client.catalog(None);
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        names.extend(page?.names.iter().map(str::to_owned));
    }
    Ok(names)
}

#[tokio::main]
#[allow(clippy::print_stdout)] // the names are the program's output
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, user, password_file] = arguments.as_slice() else {
        return Err("usage: list_catalog URL USER PASSWORD_FILE".into());
    };
    for name in list_catalog(url, user, password_file).await? {
        println!("{name}");
    }
    Ok(())
}
