//! Opens a bucket: the settings, the environment and the login become a client of `object_store`.
//!
//! What the configuration says goes before the environment. Of the environment, credentials count only if the sink has no
//! login of its own: an ID of the one with a token of the other would be no login.

use std::sync::Arc;
use std::time::Duration;

use object_store::{ObjectStore, RetryConfig};
use stocktake_sink::{SecretText, SinkError, SinkErrorKind};
use url::{Host, Url};

use crate::bucket::BucketObjects;
use crate::problem::{self, Peer, sink_error};
use crate::{BucketKind, BucketSettings, Place, login};

/// Retries of one request. The program retries a publish as a whole, so few are enough.
const RETRIES: usize = 2;
/// No retry begins after this time.
pub(crate) const RETRY_TIME: Duration = Duration::from_secs(20);
/// How long one request may take, unless `timeout` says otherwise: a part of an object on a line of 8 Mbit/s.
pub(crate) const REQUEST_PATIENCE: Duration = Duration::from_secs(25);

/// Opens a bucket. Sends nothing yet.
pub(crate) fn bucket(
    place: &Place,
    settings: Option<&BucketSettings>,
    login: Option<&SecretText>,
) -> Result<BucketObjects, SinkError> {
    let Place::Bucket { kind, bucket, prefix } = place else {
        return Err(SinkError::new(SinkErrorKind::Invalid, format!("{place} is no bucket")));
    };
    let entries = match login {
        None => None,
        Some(text) => Some(login::parse(*kind, text.expose()).map_err(|bad| {
            SinkError::new(SinkErrorKind::Invalid, format!("cannot log in to {place}")).with_source(bad)
        })?),
    };
    // The client of `object_store` has TLS without a provider of cryptography, and building it without one panics. No caller
    // can forget this here. It fails if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let opening = Opening { place, bucket, settings: settings.map_or(&[], BucketSettings::values), login: entries };
    let (objects, endpoint) = match kind {
        #[cfg(feature = "s3")]
        BucketKind::S3 => opening.s3()?,
        #[cfg(feature = "gcs")]
        BucketKind::Google => opening.google()?,
        #[cfg(feature = "azure")]
        BucketKind::Azure => opening.azure()?,
        #[allow(unreachable_patterns)] // with all of them there is no other
        kind => return Err(place.left_out(*kind)),
    };
    Ok(BucketObjects::new(objects, prefix, place.to_string(), Peer { kind: *kind, endpoint }))
}

struct Opening<'a> {
    place: &'a Place,
    bucket: &'a str,
    settings: &'a [(&'static str, String)],
    login: Option<Vec<(&'static str, String)>>,
}

type Opened = (Arc<dyn ObjectStore>, String);

impl Opening<'_> {
    /// All entries in the order in which they count: the last one of a key wins.
    fn entries(&self, prefix: &str, credentials: &[&str]) -> Vec<(String, String)> {
        let environment = std::env::vars_os().filter_map(|(key, value)| {
            let (key, value) = (key.into_string().ok()?, value.into_string().ok()?);
            let key = key.starts_with(prefix).then(|| key.to_ascii_lowercase())?;
            (self.login.is_none() || !credentials.contains(&key.as_str())).then_some((key, value))
        });
        let own = self.settings.iter().chain(self.login.iter().flatten());
        let timeout = ("timeout".to_owned(), format!("{}s", REQUEST_PATIENCE.as_secs()));
        std::iter::once(timeout)
            .chain(environment)
            .chain(own.map(|(key, value)| ((*key).to_owned(), value.clone())))
            .collect()
    }

    /// Whether plain HTTP may be used with this endpoint.
    fn allows_http(&self, kind: BucketKind, endpoint: &str, is_allowed: bool) -> Result<bool, SinkError> {
        let url = Url::parse(endpoint).map_err(|_| {
            let context = format!("cannot open {}", self.place);
            sink_error(SinkErrorKind::Invalid, context, "the endpoint is no URL", "write it as `https://HOST`")
        })?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() == "http" && !is_loopback && !is_allowed {
            let peer = Peer { kind, endpoint: origin(endpoint) };
            let (kind, cause, remedy) = problem::plain_http(&peer);
            return Err(sink_error(kind, format!("cannot open {}", self.place), cause, remedy));
        }
        Ok(is_allowed || url.scheme() == "http")
    }

    fn failed(&self, kind: BucketKind, endpoint: &str, error: &object_store::Error) -> SinkError {
        let peer = Peer { kind, endpoint: origin(endpoint) };
        problem::explain(format!("cannot open {}", self.place), error, &peer)
    }

    #[cfg(feature = "s3")]
    fn s3(&self) -> Result<Opened, SinkError> {
        use object_store::ClientConfigKey::AllowHttp;
        use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
        let credentials = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_token"];
        let mut builder = AmazonS3Builder::new();
        for (key, value) in self.entries("AWS_", &credentials) {
            // The rest of the environment has variables of other programs.
            match key.parse() {
                Ok(Key::Bucket | Key::ConditionalPut | Key::CopyIfNotExists) | Err(_) => {}
                Ok(key) => builder = builder.with_config(key, value),
            }
        }
        let written = builder.get_config_value(&Key::S3Endpoint).or_else(|| builder.get_config_value(&Key::Endpoint));
        let region = builder.get_config_value(&Key::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = written.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let is_allowed = builder.get_config_value(&Key::Client(AllowHttp)).is_some_and(|value| value == "true");
        let allow_http = self.allows_http(BucketKind::S3, &endpoint, is_allowed)?;
        let builder = builder.with_config(Key::Client(AllowHttp), allow_http.to_string());
        let built = builder.with_bucket_name(self.bucket).with_retry(retry()).build();
        let built = built.map_err(|error| self.failed(BucketKind::S3, &endpoint, &error))?;
        Ok((Arc::new(built), origin(&endpoint)))
    }

    #[cfg(feature = "gcs")]
    fn google(&self) -> Result<Opened, SinkError> {
        use object_store::ClientConfigKey::AllowHttp;
        use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as Key};
        let credentials = [
            "google_service_account",
            "google_service_account_path",
            "google_service_account_key",
            "google_application_credentials",
            "google_bearer_token",
        ];
        let mut builder = GoogleCloudStorageBuilder::new();
        for (key, value) in self.entries("GOOGLE_", &credentials) {
            match key.parse() {
                Ok(Key::Bucket) | Err(_) => {}
                Ok(key) => builder = builder.with_config(key, value),
            }
        }
        let endpoint = builder.get_config_value(&Key::BaseUrl);
        let endpoint = endpoint.unwrap_or_else(|| "https://storage.googleapis.com".to_owned());
        // Its client allows HTTP unless it is told otherwise.
        let is_allowed = self.settings.iter().any(|(key, value)| *key == "allow_http" && value == "true");
        let allow_http = self.allows_http(BucketKind::Google, &endpoint, is_allowed)?;
        let builder = builder.with_config(Key::Client(AllowHttp), allow_http.to_string());
        let built = builder.with_bucket_name(self.bucket).with_retry(retry()).build();
        let built = built.map_err(|error| self.failed(BucketKind::Google, &endpoint, &error))?;
        Ok((Arc::new(built), origin(&endpoint)))
    }

    #[cfg(feature = "azure")]
    fn azure(&self) -> Result<Opened, SinkError> {
        use object_store::ClientConfigKey::AllowHttp;
        use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder};
        let credentials = [
            "azure_storage_account_key",
            "azure_storage_access_key",
            "azure_storage_master_key",
            "azure_storage_client_secret",
            "azure_client_secret",
            "azure_storage_sas_key",
            "azure_storage_sas_token",
            "azure_storage_token",
        ];
        let mut builder = MicrosoftAzureBuilder::new();
        for (key, value) in self.entries("AZURE_", &credentials) {
            match key.parse() {
                Ok(Key::ContainerName) | Err(_) => {}
                Ok(key) => builder = builder.with_config(key, value),
            }
        }
        let account = builder.get_config_value(&Key::AccountName);
        let Some(account) = account else {
            let context = format!("cannot open {}", self.place);
            let remedy =
                "set `azure_storage_account_name` in `options`, or AZURE_STORAGE_ACCOUNT_NAME in the environment";
            return Err(sink_error(SinkErrorKind::Invalid, context, "the storage account is not named", remedy));
        };
        let endpoint = builder.get_config_value(&Key::Endpoint);
        let endpoint = endpoint.unwrap_or_else(|| format!("https://{account}.blob.core.windows.net"));
        let is_allowed = builder.get_config_value(&Key::Client(AllowHttp)).is_some_and(|value| value == "true");
        let allow_http = self.allows_http(BucketKind::Azure, &endpoint, is_allowed)?;
        let builder = builder.with_config(Key::Client(AllowHttp), allow_http.to_string());
        let built = builder.with_container_name(self.bucket).with_retry(retry()).build();
        let built = built.map_err(|error| self.failed(BucketKind::Azure, &endpoint, &error))?;
        Ok((Arc::new(built), origin(&endpoint)))
    }
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIME, ..RetryConfig::default() }
}

/// Scheme, host and port: a URL may have more, which is not shown.
fn origin(endpoint: &str) -> String {
    Url::parse(endpoint).map_or_else(|_| "the endpoint".to_owned(), |url| url.origin().ascii_serialization())
}
