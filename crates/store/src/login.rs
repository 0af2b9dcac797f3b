//! The login of a bucket, as it stands in a secret file: the lines of `~/.aws/credentials`, the output of
//! `aws configure export-credentials`, `azure_storage_account_key = …`, or Google's JSON key of a service account.

use crate::BucketKind;

const S3: &[&str] = &["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_sse_customer_key_base64"];
const GOOGLE: &[&str] = &["google_service_account_key", "google_bearer_token"];
const AZURE: &[&str] = &[
    "azure_storage_account_name",
    "azure_storage_account_key",
    "azure_storage_access_key",
    "azure_storage_sas_key",
    "azure_storage_sas_token",
    "azure_storage_token",
    "azure_storage_client_id",
    "azure_storage_client_secret",
    "azure_storage_tenant_id",
    "azure_client_id",
    "azure_client_secret",
    "azure_tenant_id",
];

/// Lines that such files have and that are no login.
const IGNORED: &[&str] = &["aws_credential_expiration", "region", "output", "aws_region", "aws_default_region"];

/// Why a text is no login. Never has any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLogin {
    #[error("line {0} of the login is not `KEY = VALUE`")]
    Line(usize),
    #[error("line {line} of the login has an unknown key; known for {scheme}:// are {known}")]
    Key { line: usize, scheme: &'static str, known: String },
    #[error("the login has several sections; keep one")]
    Sections,
    #[error("the login has no key")]
    Empty,
}

/// The entries of a login.
pub(crate) fn parse(kind: BucketKind, text: &str) -> Result<Vec<(&'static str, String)>, BadLogin> {
    if kind == BucketKind::Google && text.trim_start().starts_with('{') {
        return Ok(vec![("google_service_account_key", text.to_owned())]);
    }
    let known = match kind {
        BucketKind::S3 => S3,
        BucketKind::Google => GOOGLE,
        BucketKind::Azure => AZURE,
    };
    let (mut entries, mut sections) = (Vec::new(), 0);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            sections += 1;
            if sections > 1 {
                return Err(BadLogin::Sections);
            }
            continue;
        }
        let entry = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = entry.split_once('=').ok_or(BadLogin::Line(at + 1))?;
        let key = key.trim().to_ascii_lowercase();
        if IGNORED.contains(&key.as_str()) {
            continue;
        }
        let Some(key) = known.iter().find(|known| **known == key) else {
            return Err(BadLogin::Key { line: at + 1, scheme: kind.scheme(), known: known.join(", ") });
        };
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
        entries.push((*key, quoted.unwrap_or(value).to_owned()));
    }
    if entries.is_empty() { Err(BadLogin::Empty) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_people_have_are_read() {
        let id_and_secret =
            vec![("aws_access_key_id", "AKIA".to_owned()), ("aws_secret_access_key", "s/3+x=".to_owned())];
        for text in [
            "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s/3+x=\nregion = eu-central-1\n",
            "AWS_ACCESS_KEY_ID=AKIA\nAWS_SECRET_ACCESS_KEY=s/3+x=\nAWS_CREDENTIAL_EXPIRATION=2026-11-27T15:00:00Z\n",
            "# ours\n\nexport AWS_ACCESS_KEY_ID='AKIA'\nexport AWS_SECRET_ACCESS_KEY=\"s/3+x=\"\n",
        ] {
            assert_eq!(parse(BucketKind::S3, text), Ok(id_and_secret.clone()), "{text}");
        }
        let json = "{\"type\": \"service_account\"}\n";
        assert_eq!(parse(BucketKind::Google, json), Ok(vec![("google_service_account_key", json.to_owned())]));
        let azure = parse(BucketKind::Azure, "azure_storage_account_key = a2V5Cg==\n");
        assert_eq!(azure, Ok(vec![("azure_storage_account_key", "a2V5Cg==".to_owned())]));
    }

    #[test]
    fn other_texts_are_refused_without_repeating_them() {
        for (text, expected) in [
            ("s3cr3t\n", "line 1 of the login is not `KEY = VALUE`"),
            (
                "aws_access_key_id = A\ns3cr3t = x\n",
                "line 2 of the login has an unknown key; known for s3:// are aws_access_key_id,",
            ),
            ("[a]\naws_access_key_id = A\n[b]\n", "the login has several sections"),
            ("# nothing\n", "the login has no key"),
        ] {
            let refused = parse(BucketKind::S3, text).unwrap_err().to_string();
            assert!(refused.starts_with(expected) && !refused.contains("s3cr3t"), "{refused}");
        }
    }
}
