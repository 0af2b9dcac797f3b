//! Where a tag leads, without the manifest itself. HEAD is the cheap way to ask and no more than that: whatever goes wrong
//! with it, a GET decides. Proxies filter HEAD, some registries do not serve it, and some answer it amiss.

use crate::contents::reader::RepositoryReader;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use tracing::debug;

use crate::access::send::Ask;
use crate::contents::headers::{text, told_digest};
use crate::http::call::Wants;
use crate::http::retry::is_passing;
use crate::http::said::said;
use crate::model::manifest::{Manifest, Resolved};
use crate::model::media_type::{announced, shape};
use crate::model::place::Place;
use crate::problem::Problem;
use crate::problem::error::RegistryError;
use crate::problem::error::Step;
use crate::problem::fault::Fault;

/// What a HEAD brought.
#[derive(Debug)]
enum Head {
    /// Where the tag leads.
    Leads(Resolved),
    /// An answer that may be about this tag alone.
    Unclear,
    /// No answer, or a server's error.
    Failed,
    /// A refusal, or an answer that says too little: the next one would be the same.
    Vain,
}

impl RepositoryReader {
    /// What a tag leads to: by HEAD where that is good for anything, else by GET.
    pub(crate) async fn resolve_tag(&self, place: &Place, tag: &str, step: &Step) -> Result<Resolved, RegistryError> {
        let turn = self.heads.first.turn().await;
        let resolved = self.head_or_get(place, tag, step).await;
        self.heads.first.prove();
        drop(turn);
        resolved
    }

    async fn head_or_get(&self, place: &Place, tag: &str, step: &Step) -> Result<Resolved, RegistryError> {
        let head = if self.heads.are_wanted() { Some(self.head(place, tag, step).await) } else { None };
        match &head {
            Some(Ok(Head::Leads(resolved))) => {
                self.heads.worked();
                return Ok(resolved.clone());
            }
            // Now, and not when GET has worked: those that wait for silence wait long.
            Some(Ok(Head::Failed)) => self.heads.failed(),
            Some(Err(error)) => {
                self.heads.unsettled();
                return Err(error.clone());
            }
            Some(Ok(Head::Unclear | Head::Vain)) | None => {}
        }
        let manifest = self.fetch_manifest(place, tag, step).await;
        match (&head, &manifest) {
            (Some(Ok(Head::Vain)), Ok(_)) => {
                debug!("HEAD is good for nothing here: tags are asked for with GET");
                self.heads.give_up();
            }
            (Some(Ok(Head::Unclear)), Ok(_)) => self.heads.failed(),
            (Some(Ok(Head::Vain | Head::Unclear)), Err(_)) => self.heads.unsettled(),
            _ => {}
        }
        let Manifest { digest, media_type, size, .. } = manifest?;
        Ok(Resolved { digest, media_type, size: Some(size) })
    }

    /// What HEAD says. Errors are those that a GET would meet as well.
    async fn head(&self, place: &Place, tag: &str, step: &Step) -> Result<Head, RegistryError> {
        let url = self.repositories.authorized().api(&format!("/v2/{}/manifests/{tag}", place.repository));
        let answer = match self.repositories.ask(place, &Ask { url: &url, wants: Wants::Head, step }).await {
            Ok(sent) => sent.answer,
            Err(error) if error.step() != *step => return Err(error),
            Err(error) if error.fault() == Fault::Unreachable => return Ok(Head::Failed),
            Err(_) => return Ok(Head::Vain),
        };
        match answer.status {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(RegistryError::new(step.clone(), Problem::RateLimited(said(&answer))));
            }
            // Without a body it cannot be told whether the tag is unknown, or the method, or the way to the registry.
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Head::Unclear),
            status if is_passing(status) => return Ok(Head::Failed),
            _ => return Ok(Head::Vain),
        }
        let Ok(Some(digest)) = told_digest(&answer) else { return Ok(Head::Vain) };
        // What is odd here, a GET may show to be right, or tells better.
        let media_type = announced(text(&answer.headers, CONTENT_TYPE.as_str()));
        let Some(media_type) = media_type.filter(|media_type| shape(media_type).is_some()) else {
            return Ok(Head::Unclear);
        };
        // A compressed length is not the manifest's.
        let plain = text(&answer.headers, CONTENT_ENCODING.as_str()).is_none_or(|encoding| encoding == "identity");
        let length = text(&answer.headers, CONTENT_LENGTH.as_str()).filter(|_| plain);
        let size = length.and_then(|length| length.parse().ok()).filter(|size: &i64| *size > 0);
        Ok(Head::Leads(Resolved { digest, media_type, size }))
    }
}
