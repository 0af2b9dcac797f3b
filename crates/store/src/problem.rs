//! Why a bucket refused, in words: cause and remedy. What the server sent is shown only as its error code, because an
//! answer may repeat the login, and a URL may have one.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};
use stocktake_sink::{SinkError, SinkErrorKind};

use crate::BucketKind;

/// What is wrong with a bucket, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{cause}; {remedy}")]
pub(crate) struct BucketProblem {
    cause: String,
    remedy: String,
}

/// Where requests go, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) kind: BucketKind,
    /// Scheme, host and port.
    pub(crate) endpoint: String,
}

/// Makes an error of a cause and a remedy.
pub(crate) fn sink_error(
    kind: SinkErrorKind,
    context: String,
    cause: impl Into<String>,
    remedy: impl Into<String>,
) -> SinkError {
    SinkError::new(kind, context).with_source(BucketProblem { cause: cause.into(), remedy: remedy.into() })
}

/// What is known of an error of `object_store`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    /// The status of the answer.
    status: Option<u16>,
    /// The provider's code, such as `NoSuchBucket`.
    code: String,
    /// How the request failed, if there was no answer.
    transport: Option<HttpErrorKind>,
    /// The innermost error.
    root: String,
    /// All errors, in lower case. Only searched, never shown.
    all: String,
}

impl Facts {
    fn of(error: &object_store::Error) -> Self {
        let mut facts = Self::default();
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(one) = next {
            if let Some(http) = one.downcast_ref::<HttpError>() {
                facts.transport = Some(http.kind());
            }
            facts.root = one.to_string();
            facts.all.push_str(&facts.root);
            facts.all.push('\n');
            next = one.source();
        }
        let after = |mark: &str| facts.all.split_once(mark).map(|(_, after)| after);
        facts.status = after("status code: ").and_then(|text| text.get(..3)?.parse().ok());
        let xml = after("<Code>").and_then(|text| text.split_once("</Code>")).map(|(code, _)| code);
        let json = after("\"reason\":").and_then(|text| text.split('"').nth(1));
        let code: String = xml.or(json).unwrap_or("").chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        facts.code = code;
        facts.all.make_ascii_lowercase();
        facts
    }

    fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.all.contains(word))
    }
}

/// Whether the bucket itself does not exist; an object that does not exist has the same status.
pub(crate) fn is_without_bucket(error: &object_store::Error) -> bool {
    lacks_bucket(&Facts::of(error))
}

fn lacks_bucket(facts: &Facts) -> bool {
    facts.code == "NoSuchBucket"
        || facts.code == "ContainerNotFound"
        || facts.code == "AccountNotFound"
        || facts.says(&["the specified bucket does not exist", "the specified container does not exist"])
}

/// The error of a sink, with cause and remedy.
pub(crate) fn explain(context: String, error: &object_store::Error, peer: &Peer) -> SinkError {
    let facts = Facts::of(error);
    let (kind, cause, remedy) =
        answered(&facts, peer).or_else(|| unanswered(&facts, peer)).unwrap_or_else(|| unknown(&facts, peer));
    sink_error(kind, context, cause, remedy)
}

type Explained = (SinkErrorKind, String, String);

fn answered(facts: &Facts, peer: &Peer) -> Option<Explained> {
    use SinkErrorKind::{Forbidden, Full, Invalid, Unavailable};
    let (noun, at) = (peer.kind.noun(), &peer.endpoint);
    let (kind, cause, remedy) = match (facts.code.as_str(), facts.status) {
        _ if lacks_bucket(facts) => {
            (Invalid, format!("there is no such {noun} at {at}"), format!("create the {noun}, or correct `url`"))
        }
        (
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "TemporaryRedirect",
            _,
        )
        | (_, Some(301 | 307)) => wrong_region(),
        _ if facts.says(&["redirect without location"]) => wrong_region(),
        ("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired", _) => (
            Forbidden,
            "the credentials have expired".to_owned(),
            "put new ones where the sink reads them; they are read again at the next delivery".to_owned(),
        ),
        ("RequestTimeTooSkewed", _) => (
            Invalid,
            format!("the clock of this machine differs from that of {at} by more than 15 minutes"),
            "set the clock, for example with chrony or systemd-timesyncd".to_owned(),
        ),
        ("InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException", _) => (
            Forbidden,
            format!("{at} does not know this access key ID"),
            "correct the ID, or make a new key".to_owned(),
        ),
        ("SignatureDoesNotMatch" | "InvalidSecurity" | "AuthenticationFailed" | "InvalidAuthenticationInfo", _) => (
            Forbidden,
            format!("{at} refused the signature: the secret does not belong to this key or account"),
            "correct the secret, and look that nothing was added to it; see also whether the clock is right".to_owned(),
        ),
        ("QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "AccountQuotaExceeded", _)
        | (_, Some(507)) => (Full, format!("the {noun} is full"), "make room, or raise the quota".to_owned()),
        ("EntityTooLarge", _) | (_, Some(413)) => (
            Full,
            "the object is too large for this server".to_owned(),
            "raise the limit of the server or of the proxy before it".to_owned(),
        ),
        (_, Some(401)) => (
            Forbidden,
            format!("{at} refused the login{}", code(facts)),
            "correct the credentials of the sink".to_owned(),
        ),
        (_, Some(403)) => (
            Forbidden,
            format!("access denied{}", code(facts)),
            format!("allow this login to {} in the {noun}", rights(peer.kind)),
        ),
        (_, Some(status @ (408 | 429 | 500..=599))) => (
            Unavailable,
            format!("{at} answered {status}{}", code(facts)),
            "this passes by itself; if it does not, ask who runs the storage".to_owned(),
        ),
        _ => return None,
    };
    Some((kind, cause, remedy))
}

fn wrong_region() -> Explained {
    let remedy = "set `aws_region` in `options` to the region of the bucket";
    (SinkErrorKind::Invalid, "the bucket is in another region".to_owned(), remedy.to_owned())
}

fn unanswered(facts: &Facts, peer: &Peer) -> Option<Explained> {
    use SinkErrorKind::{Forbidden, Invalid, Unavailable};
    let at = &peer.endpoint;
    // The metadata of the machine is the last place that is asked; where there is none, nothing was configured.
    let asked_metadata =
        ["169.254.169.254", "metadata.google", "169.254.170.2", "metadata/identity", "latest/api/token"];
    if facts.says(&asked_metadata) {
        return Some((
            Forbidden,
            "no credentials found: none in the secret of the sink, in the environment, or in the metadata of this machine"
                .to_owned(),
            format!("set `credentials_file` of the sink, or {}", environment(peer.kind)),
        ));
    }
    let explained = match facts.transport? {
        _ if facts.says(&["url scheme is not allowed"]) => plain_http(peer),
        _ if facts.says(&["dns error", "failed to lookup address", "name or service not known"]) => (
            Unavailable,
            format!("the name of {at} cannot be resolved"),
            "correct the endpoint or the region in `options`, or the name service of this machine".to_owned(),
        ),
        _ if facts.says(&["certificate", "invalid peer", "tls", "handshake", "corrupt message"]) => (
            Invalid,
            format!("no TLS with {at}: {}", shown(&facts.root)),
            "name the certificates of your own authority in the environment variable SSL_CERT_FILE, or correct the endpoint"
                .to_owned(),
        ),
        HttpErrorKind::Timeout => silent(at),
        HttpErrorKind::Connect => (
            Unavailable,
            format!("cannot connect to {at}: {}", shown(&facts.root)),
            "see whether the storage runs, and whether a firewall or a proxy is between".to_owned(),
        ),
        _ => (
            Unavailable,
            format!("the connection to {at} broke: {}", shown(&facts.root)),
            "see whether the storage runs, and whether a proxy is between".to_owned(),
        ),
    };
    Some(explained)
}

/// Nothing answers.
pub(crate) fn silent(at: &str) -> Explained {
    (
        SinkErrorKind::Unavailable,
        format!("no answer from {at} in time"),
        "see whether the storage runs; for a slow line, raise `timeout` in `options`".to_owned(),
    )
}

/// Plain HTTP to another machine.
pub(crate) fn plain_http(peer: &Peer) -> Explained {
    let prefix = match peer.kind {
        BucketKind::S3 => "aws_",
        BucketKind::Azure => "azure_",
        BucketKind::Google => "",
    };
    (
        SinkErrorKind::Invalid,
        format!("{} is plain HTTP, on which everybody on the way can read and change the data", peer.endpoint),
        format!("use https, or set `{prefix}allow_http: true` in `options`"),
    )
}

fn unknown(facts: &Facts, peer: &Peer) -> Explained {
    let at = &peer.endpoint;
    match facts.status {
        Some(status) => (
            SinkErrorKind::Invalid,
            format!("{at} answered {status}{}", code(facts)),
            "see whether it is an object storage with the protocol that `url` says".to_owned(),
        ),
        None => (
            SinkErrorKind::Invalid,
            format!("the storage library says: {}", shown(&facts.root)),
            "correct `options` and the credentials of the sink".to_owned(),
        ),
    }
}

fn code(facts: &Facts) -> String {
    if facts.code.is_empty() { String::new() } else { format!(" ({})", facts.code) }
}

/// A short text without control characters. Texts of our own libraries only.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn rights(kind: BucketKind) -> &'static str {
    match kind {
        BucketKind::S3 => "s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload",
        BucketKind::Google => "storage.objects.list, .get, .create and .delete (role Storage Object User)",
        BucketKind::Azure => "read, write, list and delete blobs (role Storage Blob Data Contributor)",
    }
}

fn environment(kind: BucketKind) -> &'static str {
    match kind {
        BucketKind::S3 => {
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or run where a role is attached"
        }
        BucketKind::Google => {
            "GOOGLE_APPLICATION_CREDENTIALS in the environment, or run where a service account is attached"
        }
        BucketKind::Azure => {
            "AZURE_STORAGE_ACCOUNT_KEY, or AZURE_CLIENT_ID with its secret, in the environment, or run with an identity"
        }
    }
}
