//! Where a tag leads, without the manifest itself. HEAD is the cheap way to ask and no more than that: whatever goes wrong
//! with it, a GET decides. Proxies filter HEAD, some registries do not serve it, and some answer it amiss.

use crate::concurrency::prove_first::ProveFirst;
use crate::contents::reading::RepositoryReader;
use parking_lot::Mutex;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use tracing::debug;

use crate::access::send::Ask;
use crate::contents::reading::{text, told_digest};
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

/// For how many tags HEAD is left alone after a failure that may pass. The next time it fails, for so many times as
/// many: a server that keeps silent about HEAD costs the time limit of a request each time.
const REST: u64 = 16;

/// What HEAD has been good for in this run.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    rest: Mutex<Rest>,
    /// The first tag goes alone: where HEAD is refused or meets silence, that is learnt once and not by as many requests as
    /// may be in flight.
    first: ProveFirst,
}

#[derive(Debug, Default)]
struct Rest {
    /// For how many further tags HEAD is left alone.
    left: u64,
    /// How long the last rest was; 0 before the first.
    last: u64,
    /// Whether one HEAD is under way to see whether it works again.
    probing: bool,
}

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

impl Heads {
    /// Whether to ask for the next tag with HEAD.
    fn are_wanted(&self) -> bool {
        let mut rest = self.rest();
        if rest.last == 0 {
            return true;
        }
        if rest.left > 0 {
            rest.left -= 1;
            return false;
        }
        !std::mem::replace(&mut rest.probing, true)
    }

    fn worked(&self) {
        let mut rest = self.rest();
        if rest.last != u64::MAX {
            *rest = Rest::default();
        }
    }

    /// Leaves HEAD alone for a while. Those that were under way at the same time failed together, and count once.
    fn failed(&self) {
        let mut rest = self.rest();
        if rest.last == 0 || rest.probing {
            let length = rest.last.max(1).saturating_mul(REST);
            *rest = Rest { left: length, last: length, probing: false };
        }
    }

    /// Notes that a HEAD has taught nothing.
    fn unsettled(&self) {
        self.rest().probing = false;
    }

    /// Leaves HEAD alone for good.
    fn give_up(&self) {
        *self.rest() = Rest { left: u64::MAX, last: u64::MAX, probing: false };
    }

    fn rest(&self) -> parking_lot::MutexGuard<'_, Rest> {
        self.rest.lock()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tags_until_wanted(heads: &Heads) -> u64 {
        (0..100_000).take_while(|_| !heads.are_wanted()).count() as u64
    }

    #[test]
    fn after_a_failure_head_is_left_alone_for_longer_each_time_until_it_works() {
        let heads = Heads::default();
        assert!(heads.are_wanted());
        for rest in [16, 256, 4096] {
            heads.failed();
            // Those that were in flight with it.
            heads.failed();
            assert_eq!(tags_until_wanted(&heads), rest);
            assert!(!heads.are_wanted(), "one looks whether it works again");
        }
        heads.worked();
        assert!(heads.are_wanted());
        heads.failed();
        assert_eq!(tags_until_wanted(&heads), 16);
        heads.unsettled();
        assert!(heads.are_wanted(), "that one found nothing out");
    }

    #[test]
    fn a_head_that_is_given_up_is_not_tried_again() {
        let heads = Heads::default();
        heads.give_up();
        heads.failed();
        assert!((0..100_000).all(|_| !heads.are_wanted()));
    }
}
