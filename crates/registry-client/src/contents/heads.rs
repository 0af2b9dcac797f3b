//! The digest of a tag, without the manifest. HEAD is only the cheap way: if anything is wrong with its answer, a GET
//! decides. Proxies filter HEAD, some registries do not support it, and some answer it wrongly.

use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use tracing::debug;

use crate::access::send::AccessRequest;
use crate::contents::headers::{stated_digest, text};
use crate::contents::reader::RepositoryReader;
use crate::http::call::RequestKind;
use crate::http::error_answer::error_answer;
use crate::http::retry::is_passing;
use crate::model::manifest::{Manifest, Resolved};
use crate::model::media_type::{announced, shape};
use crate::model::place::RepositoryRef;
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};
use crate::problem::fault::Fault;

/// The result of a HEAD.
#[derive(Debug)]
enum HeadOutcome {
    /// The digest of the tag.
    Leads(Resolved),
    /// An answer that may concern this tag only.
    Unclear,
    /// No answer, or a server error.
    Failed,
    /// A refusal, or an answer without the digest: the next HEAD would have the same result.
    Useless,
}

impl RepositoryReader {
    /// The digest of a tag: by HEAD if HEAD is useful here, else by GET.
    pub(crate) async fn resolve_tag(
        &self,
        place: &RepositoryRef,
        tag: &str,
        step: &Step,
    ) -> Result<Resolved, RegistryError> {
        let turn = self.heads.first.turn().await;
        let resolved = self.head_or_get(place, tag, step).await;
        self.heads.first.prove();
        drop(turn);
        resolved
    }

    async fn head_or_get(&self, place: &RepositoryRef, tag: &str, step: &Step) -> Result<Resolved, RegistryError> {
        let head = if self.heads.are_wanted() { Some(self.head(place, tag, step).await) } else { None };
        match &head {
            Some(Ok(HeadOutcome::Leads(resolved))) => {
                self.heads.worked();
                return Ok(resolved.clone());
            }
            // Noted before the GET: HEADs that get no answer wait until their time limit.
            Some(Ok(HeadOutcome::Failed)) => self.heads.failed(),
            Some(Err(error)) => {
                self.heads.unsettled();
                return Err(error.clone());
            }
            Some(Ok(HeadOutcome::Unclear | HeadOutcome::Useless)) | None => {}
        }
        let manifest = self.fetch_manifest(place, tag, step).await;
        match (&head, &manifest) {
            (Some(Ok(HeadOutcome::Useless)), Ok(_)) => {
                debug!("HEAD is not useful with this registry: tags are resolved with GET");
                self.heads.give_up();
            }
            (Some(Ok(HeadOutcome::Unclear)), Ok(_)) => self.heads.failed(),
            (Some(Ok(HeadOutcome::Useless | HeadOutcome::Unclear)), Err(_)) => self.heads.unsettled(),
            _ => {}
        }
        let Manifest { digest, media_type, size, .. } = manifest?;
        Ok(Resolved { digest, media_type, size: Some(size) })
    }

    /// Sends a HEAD. An error is one that a GET would meet as well.
    async fn head(&self, place: &RepositoryRef, tag: &str, step: &Step) -> Result<HeadOutcome, RegistryError> {
        let url = self.repositories.authorized().api(&format!("/v2/{}/manifests/{tag}", place.repository));
        let answer =
            match self.repositories.ask(place, &AccessRequest { url: &url, wants: RequestKind::Head, step }).await {
                Ok(sent) => sent.answer,
                Err(error) if error.step() != *step => return Err(error),
                Err(error) if error.fault() == Fault::Unreachable => return Ok(HeadOutcome::Failed),
                Err(_) => return Ok(HeadOutcome::Useless),
            };
        match answer.status {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(RegistryError::new(step.clone(), Problem::RateLimited(error_answer(&answer))));
            }
            // Without a body, it is not known whether the tag does not exist, or HEAD is not supported, or a proxy
            // answered.
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(HeadOutcome::Unclear),
            status if is_passing(status) => return Ok(HeadOutcome::Failed),
            _ => return Ok(HeadOutcome::Useless),
        }
        let Ok(Some(digest)) = stated_digest(&answer) else { return Ok(HeadOutcome::Useless) };
        // A GET may show that this is right, or have a better error.
        let media_type = announced(text(&answer.headers, CONTENT_TYPE.as_str()));
        let Some(media_type) = media_type.filter(|media_type| shape(media_type).is_some()) else {
            return Ok(HeadOutcome::Unclear);
        };
        // The length of a compressed body is not that of the manifest.
        let plain = text(&answer.headers, CONTENT_ENCODING.as_str()).is_none_or(|encoding| encoding == "identity");
        let length = text(&answer.headers, CONTENT_LENGTH.as_str()).filter(|_| plain);
        let size = length.and_then(|length| length.parse().ok()).filter(|size: &i64| *size > 0);
        Ok(HeadOutcome::Leads(Resolved { digest, media_type, size }))
    }
}
