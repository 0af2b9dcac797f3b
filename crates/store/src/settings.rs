//! What `options` of a bucket may hold: the keys of `object_store` that say where the bucket is and how it is reached. A
//! secret never stands there.

use crate::BucketKind;

/// Where a secret belongs.
const SECRET_HELP: &str = "write it as a line `KEY = VALUE` into a file of its own, which only this user can read, and name that in \
     `credentials_file: PATH`; or use `credentials_env: VARIABLE`, `credentials_command: [PROGRAM]`, `credential: NAME` \
     of systemd, or the usual environment";

/// The settings of a bucket, checked. Empty ones are right for a bucket of a large provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSettings {
    kind: BucketKind,
    values: Vec<(&'static str, String)>,
}

/// Why an entry is not allowed. Never has its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblem {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueType {
    Text,
    Switch,
    /// A URL, without a login.
    Url,
}

use ValueType::{Switch, Text, Url};

const S3: &[(&str, ValueType)] = &[
    ("aws_access_key_id", Text),
    ("aws_allow_http", Switch),
    ("aws_checksum_algorithm", Text),
    ("aws_container_authorization_token_file", Text),
    ("aws_container_credentials_full_uri", Url),
    ("aws_container_credentials_relative_uri", Text),
    ("aws_default_region", Text),
    ("aws_disable_bulk_delete", Switch),
    ("aws_disable_tagging", Switch),
    ("aws_endpoint", Url),
    ("aws_endpoint_url", Url),
    ("aws_endpoint_url_s3", Url),
    ("aws_endpoint_url_sts", Url),
    ("aws_imdsv1_fallback", Switch),
    ("aws_metadata_endpoint", Url),
    ("aws_region", Text),
    ("aws_request_payer", Text),
    ("aws_role_arn", Text),
    ("aws_role_session_name", Text),
    ("aws_s3_express", Switch),
    ("aws_server_side_encryption", Text),
    ("aws_skip_signature", Switch),
    ("aws_sse_bucket_key_enabled", Switch),
    ("aws_sse_kms_key_id", Text),
    ("aws_unsigned_payload", Switch),
    ("aws_virtual_hosted_style_request", Switch),
    ("aws_web_identity_token_file", Text),
];

const GOOGLE: &[(&str, ValueType)] = &[
    ("google_application_credentials", Text),
    ("google_base_url", Url),
    ("google_service_account", Text),
    ("google_skip_signature", Switch),
];

const AZURE: &[(&str, ValueType)] = &[
    ("azure_allow_http", Switch),
    ("azure_authority_host", Url),
    ("azure_client_id", Text),
    ("azure_credential_type", Text),
    ("azure_disable_tagging", Switch),
    ("azure_endpoint", Url),
    ("azure_federated_token_file", Text),
    ("azure_msi_endpoint", Url),
    ("azure_msi_resource_id", Text),
    ("azure_object_id", Text),
    ("azure_skip_signature", Switch),
    ("azure_storage_account_name", Text),
    ("azure_storage_authority_host", Url),
    ("azure_storage_authority_id", Text),
    ("azure_storage_client_id", Text),
    ("azure_storage_endpoint", Url),
    ("azure_storage_tenant_id", Text),
    ("azure_storage_use_emulator", Switch),
    ("azure_tenant_id", Text),
    ("azure_use_azure_cli", Switch),
    ("azure_use_fabric_endpoint", Switch),
];

/// Of the HTTP client, for all kinds.
const CLIENT: &[(&str, ValueType)] = &[
    ("allow_http", Switch),
    ("connect_timeout", Text),
    ("http1_only", Switch),
    ("http2_only", Switch),
    ("pool_idle_timeout", Text),
    ("pool_max_idle_per_host", Text),
    ("proxy_excludes", Text),
    ("proxy_url", Url),
    ("randomize_addresses", Switch),
    ("read_timeout", Text),
    ("timeout", Text),
    ("user_agent", Text),
];

/// Parts of names of keys whose values are secrets, also of keys that `object_store` does not know.
const SECRET_PARTS: &[&str] = &[
    "secret",
    "session_token",
    "account_key",
    "access_key",
    "master_key",
    "sas_key",
    "sas_token",
    "bearer_token",
    "storage_token",
    "service_account_key",
    "customer_key",
    "encryption_key",
    "password",
];

/// Keys whose values are secrets and whose names are too short for a part.
const SECRET_NAMES: &[&str] = &["aws_token", "azure_token", "google_token", "token"];

/// Keys that `object_store` has and that make no sense here, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("bucket", "the bucket stands in `url`"),
    ("bucket_name", "the bucket stands in `url`"),
    ("container_name", "the container stands in `url`"),
    ("conditional_put", "leave it out: without conditional puts, two writers could publish one run twice"),
    ("copy_if_not_exists", "leave it out: it is not used"),
    (
        "allow_invalid_certificates",
        "name the certificates of your own authority in the environment variable SSL_CERT_FILE instead",
    ),
    ("disable_system_certificates", "leave it out: the certificates of the system are used"),
];

impl BucketSettings {
    /// No settings yet.
    pub fn new(kind: BucketKind) -> Self {
        Self { kind, values: Vec::new() }
    }

    /// Whose bucket it is.
    pub fn kind(&self) -> BucketKind {
        self.kind
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// If the key is unknown, of another kind of bucket, or of a secret; or if the value cannot be meant.
    pub fn add(&mut self, key: &str, value: &str) -> Result<(), SettingProblem> {
        let problem = |message: String, help: Option<String>| Err(SettingProblem { message, help });
        if is_secret(key) {
            return problem(
                format!("`{key}` holds a secret, which backups, tickets and version control would copy from here"),
                Some(SECRET_HELP.to_owned()),
            );
        }
        if let Some((refused, instead)) = REFUSED.iter().find(|(refused, _)| bare(key) == *refused) {
            return problem(format!("`{refused}` is not a setting of a sink"), Some((*instead).to_owned()));
        }
        let Some((key, accepts)) = self.known().find(|(known, _)| *known == key) else {
            let near = self.nearest(key);
            let shown = if is_name(key) { format!("unknown key `{key}`") } else { "unknown key".to_owned() };
            let help = near.map_or_else(
                || {
                    let known: Vec<_> = own(self.kind).iter().map(|(key, _)| *key).collect();
                    format!(
                        "known for {}:// are {}, and settings of the HTTP client such as `timeout`",
                        self.kind.scheme(),
                        known.join(", ")
                    )
                },
                |near| format!("did you mean `{near}`?"),
            );
            return problem(shown, Some(help));
        };
        match accepts {
            Switch if !["true", "false"].contains(&value) => {
                return problem(format!("`{key}`: expected true or false, found other text"), None);
            }
            Url if !value.contains("://") => {
                return problem(
                    format!("`{key}`: expected a URL"),
                    Some("for example `https://s3.example.com`".to_owned()),
                );
            }
            Url if value.contains('@') => {
                return problem(
                    format!("`{key}`: a URL with a login holds a secret"),
                    Some("write it without".to_owned()),
                );
            }
            _ => {}
        }
        self.values.push((key, value.to_owned()));
        Ok(())
    }

    /// Which server it is, as far as the settings tell: equal names of buckets may be those of different servers.
    pub fn server(&self) -> String {
        let tells = |key: &str| key.contains("endpoint") || key.ends_with("base_url") || key.ends_with("account_name");
        let told = self
            .values
            .iter()
            .filter(|(key, _)| tells(key) && !key.ends_with("_sts") && *key != "aws_metadata_endpoint");
        let told = told.map(|(_, value)| value.trim_end_matches('/').to_ascii_lowercase());
        std::iter::once(self.kind.scheme().to_owned()).chain(told).collect::<Vec<_>>().join(" ")
    }

    #[cfg(any(test, feature = "bucket"))]
    /// The entries, in the order in which they were added.
    pub(crate) fn values(&self) -> &[(&'static str, String)] {
        &self.values
    }

    fn known(&self) -> impl Iterator<Item = (&'static str, ValueType)> + use<> {
        own(self.kind).iter().chain(CLIENT).copied()
    }

    /// The known key that was probably meant.
    fn nearest(&self, key: &str) -> Option<&'static str> {
        let key = key.to_ascii_lowercase().replace('-', "_");
        let scored = self.known().map(|(known, _)| {
            let tail = known.split_once('_').map_or(known, |(_, tail)| tail);
            (strsim::jaro_winkler(known, &key).max(strsim::jaro_winkler(tail, &key)), known)
        });
        let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
        (best.0 > 0.85).then_some(best.1)
    }
}

/// The keys of one kind.
fn own(kind: BucketKind) -> &'static [(&'static str, ValueType)] {
    match kind {
        BucketKind::S3 => S3,
        BucketKind::Google => GOOGLE,
        BucketKind::Azure => AZURE,
    }
}

fn bare(key: &str) -> &str {
    ["aws_", "google_", "azure_"].iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key)
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_named = SECRET_PARTS.iter().any(|part| key.contains(part)) || SECRET_NAMES.contains(&key.as_str());
    // The ID of a key is no secret, and a file is named, not written.
    is_named && !key.ends_with("_id") && !key.ends_with("_file")
}

/// Whether a key may be repeated in a message: another text may be a secret in the wrong place.
fn is_name(key: &str) -> bool {
    key.len() <= 48
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: BucketKind, key: &str, value: &str) -> (String, String) {
        let refused = BucketSettings::new(kind).add(key, value).unwrap_err();
        (refused.message, refused.help.unwrap_or_default())
    }

    #[test]
    fn secrets_are_refused_with_the_words_what_to_write_instead() {
        for (kind, key) in [
            (BucketKind::S3, "aws_secret_access_key"),
            (BucketKind::S3, "secret_access_key"),
            (BucketKind::S3, "AWS_SECRET_ACCESS_KEY"),
            (BucketKind::S3, "aws_session_token"),
            (BucketKind::S3, "aws_token"),
            (BucketKind::S3, "token"),
            (BucketKind::S3, "aws_sse_customer_key_base64"),
            (BucketKind::Google, "google_service_account_key"),
            (BucketKind::Google, "google_bearer_token"),
            (BucketKind::Azure, "azure_storage_account_key"),
            (BucketKind::Azure, "azure_storage_access_key"),
            (BucketKind::Azure, "azure_storage_sas_token"),
            (BucketKind::Azure, "azure_client_secret"),
            (BucketKind::Azure, "azure_storage_token"),
        ] {
            let (message, help) = refused(kind, key, "s3cr3t");
            assert!(message.contains("holds a secret") && !message.contains("s3cr3t"), "{key}: {message}");
            assert!(help.contains("`credentials_file: PATH`"), "{key}: {help}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_known_one() {
        for (kind, key, near) in [
            (BucketKind::S3, "aws_regoin", "aws_region"),
            (BucketKind::S3, "region", "aws_region"),
            (BucketKind::S3, "endpoint", "aws_endpoint"),
            (BucketKind::S3, "time_out", "timeout"),
            (BucketKind::Azure, "azure_storage_account", "azure_storage_account_name"),
            (BucketKind::Google, "google_baseurl", "google_base_url"),
        ] {
            let (message, help) = refused(kind, key, "x");
            assert_eq!((message, help), (format!("unknown key `{key}`"), format!("did you mean `{near}`?")));
        }
        let (message, help) = refused(BucketKind::Google, "aws_region", "x");
        assert_eq!(message, "unknown key `aws_region`");
        assert!(help.starts_with("known for gs:// are google_application_credentials,"), "{help}");
        assert_eq!(refused(BucketKind::S3, "AKIAS3CR3T/x", "x").0, "unknown key");
    }

    #[test]
    fn values_that_cannot_be_meant_are_refused() {
        let (message, _) = refused(BucketKind::S3, "aws_allow_http", "yes");
        assert_eq!(message, "`aws_allow_http`: expected true or false, found other text");
        let (message, _) = refused(BucketKind::S3, "aws_endpoint", "minio:9000");
        assert_eq!(message, "`aws_endpoint`: expected a URL");
        let (message, _) = refused(BucketKind::S3, "aws_endpoint", "https://k:s3cr3t@minio:9000");
        assert_eq!(message, "`aws_endpoint`: a URL with a login holds a secret");
        let (message, help) = refused(BucketKind::S3, "aws_conditional_put", "disabled");
        assert_eq!(message, "`conditional_put` is not a setting of a sink");
        assert!(help.starts_with("leave it out"), "{help}");
    }

    #[test]
    fn object_store_knows_every_key() {
        #[cfg(feature = "s3")]
        for (key, _) in S3.iter().chain(CLIENT) {
            assert!(key.parse::<object_store::aws::AmazonS3ConfigKey>().is_ok(), "{key}");
        }
        #[cfg(feature = "gcs")]
        for (key, _) in GOOGLE.iter().chain(CLIENT) {
            assert!(key.parse::<object_store::gcp::GoogleConfigKey>().is_ok(), "{key}");
        }
        #[cfg(feature = "azure")]
        for (key, _) in AZURE.iter().chain(CLIENT) {
            assert!(key.parse::<object_store::azure::AzureConfigKey>().is_ok(), "{key}");
        }
        let mut settings = BucketSettings::new(BucketKind::S3);
        settings.add("aws_region", "eu-central-1").unwrap();
        settings.add("aws_access_key_id", "AKIA").unwrap();
        assert_eq!(settings.values().len(), 2);
    }
}
