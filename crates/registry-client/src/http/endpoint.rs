//! What a request is for, as metrics distinguish requests.

use crate::problem::error::Step;

/// What a request was for, as metrics distinguish requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/v2/`.
    Ping,
    /// The token service.
    Token,
    /// A page of the catalog.
    Catalog,
    /// A page of tags.
    Tags,
    /// A manifest, or its digest only.
    Manifest,
    /// An image's configuration.
    Blob,
    /// The registry's own API.
    Api,
}

impl Endpoint {
    /// All endpoints.
    pub const ALL: [Self; 7] =
        [Self::Ping, Self::Token, Self::Catalog, Self::Tags, Self::Manifest, Self::Blob, Self::Api];

    /// The label of metrics, e.g. `catalog`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Token => "token",
            Self::Catalog => "catalog",
            Self::Tags => "tags",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Api => "api",
        }
    }
}

impl Step {
    /// The endpoint under which the requests of this step are counted.
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Setup | Self::Ping => Endpoint::Ping,
            Self::Token => Endpoint::Token,
            Self::Page(_) => Endpoint::Catalog,
            Self::Tags(_) => Endpoint::Tags,
            Self::Manifest(_) => Endpoint::Manifest,
            Self::Config(_) => Endpoint::Blob,
            Self::Api(_) => Endpoint::Api,
        }
    }
}
