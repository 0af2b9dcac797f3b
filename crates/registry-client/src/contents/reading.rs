//! Fetches and verifies manifests and configurations, and passes them to their readers. A name, tag or digest becomes
//! part of a path only if it follows its grammar.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;

use crate::access::authorized::Authorized;
use crate::access::repository::Repositories;
use crate::access::send::AccessRequest;
use crate::contents::digest::{sha256, verify};
use crate::contents::head_use::HeadUse;
use crate::contents::headers::{stated_digest, text};
use crate::contents::page_size::PageSize;
use crate::contents::reader::RepositoryReader;
use crate::contents::{image_config, manifest_body, signed};
use crate::grammar::{is_digest, is_repository_name, is_tag, shown};
use crate::http::call::{HttpAnswer, RequestKind};
use crate::http::error_answer::{error_answer, unexpected};
use crate::http::not_found::NotFound;
use crate::model::manifest::{Descriptor, ImageConfig, Manifest, Resolved};
use crate::model::media_type::{announced, shape};
use crate::model::oddity::Odd;
use crate::model::place::RepositoryRef;
use crate::model::tags::Tags;
use crate::problem::Problem;
use crate::problem::content::UnsupportedContent;
use crate::problem::error::{RegistryError, Step};

impl RepositoryReader {
    pub(crate) fn new(authorized: Arc<Authorized>) -> Self {
        let tag_pages = PageSize::new(authorized.settings.page_size.get());
        Self { repositories: Repositories::new(authorized), tag_pages, heads: HeadUse::default() }
    }

    pub(crate) async fn tags(&self, place: &RepositoryRef) -> Result<Tags, RegistryError> {
        sound(place, is_repository_name(&place.repository), "", || Step::Tags(place.repository.clone()))?;
        self.read_tags(place).await
    }

    pub(crate) async fn resolve(&self, place: &RepositoryRef, tag: &str) -> Result<Resolved, RegistryError> {
        let step = || Step::Manifest(reference(place, tag));
        sound(place, is_tag(tag), tag, step)?;
        self.resolve_tag(place, tag, &step()).await
    }

    pub(crate) async fn manifest(&self, place: &RepositoryRef, reference: &str) -> Result<Manifest, RegistryError> {
        let step = || Step::Manifest(self::reference(place, reference));
        sound(place, is_tag(reference) || is_digest(reference), reference, step)?;
        self.fetch_manifest(place, reference, &step()).await
    }

    pub(crate) async fn config(
        &self,
        place: &RepositoryRef,
        config: &Descriptor,
    ) -> Result<ImageConfig, RegistryError> {
        let step = || Step::Config(reference(place, &config.digest));
        sound(place, is_digest(&config.digest), &config.digest, step)?;
        self.fetch_config(place, config, &step()).await
    }
}

impl RepositoryReader {
    pub(crate) async fn fetch_manifest(
        &self,
        place: &RepositoryRef,
        reference: &str,
        step: &Step,
    ) -> Result<Manifest, RegistryError> {
        let url = self.repositories.authorized().api(&format!("/v2/{}/manifests/{reference}", place.repository));
        let answer = self
            .repositories
            .ask(place, &AccessRequest { url: &url, wants: RequestKind::Manifest, step })
            .await?
            .answer;
        let size = i64::try_from(answer.body.len()).ok();
        let proven = || {
            found(&answer)?;
            let asked = Some(reference).filter(|reference| is_digest(reference)).map(str::to_owned);
            let stated = stated_digest(&answer)?;
            let bytes = proven(&answer.body, &[asked.as_deref(), stated.as_deref()])?;
            Ok((bytes, asked.or(stated)))
        };
        let (bytes, digest) = proven().map_err(|problem| RegistryError::new(step.clone(), problem))?;
        let announced = announced(text(&answer.headers, CONTENT_TYPE.as_str()));
        match (manifest_body::read(&bytes, announced.as_deref()), digest) {
            (Ok(manifest), digest) => {
                let payload = || signed::payload(&bytes).filter(|_| manifest.oddities.has(Odd::Schema1));
                let digest = digest.unwrap_or_else(|| sha256(payload().as_deref().unwrap_or(&bytes)));
                Ok(Manifest { digest, size: size.unwrap_or(manifest.size), ..manifest })
            }
            // Without a digest from the registry, the body may be an HTML page.
            (Err(problem), None) => Err(RegistryError::new(step.clone(), problem)),
            (Err(problem), Some(digest)) => {
                let media_type = announced.filter(|announced| shape(announced).is_some()).unwrap_or_default();
                Err(RegistryError::leading_to(step.clone(), problem, Resolved { digest, media_type, size }))
            }
        }
    }

    async fn fetch_config(
        &self,
        place: &RepositoryRef,
        config: &Descriptor,
        step: &Step,
    ) -> Result<ImageConfig, RegistryError> {
        let url = self.repositories.authorized().api(&format!("/v2/{}/blobs/{}", place.repository, config.digest));
        let sent = self.repositories.ask(place, &AccessRequest { url: &url, wants: RequestKind::Blob, step }).await?;
        let answer = sent.answer;
        let read = || {
            found(&answer).map_err(|problem| match problem {
                Problem::Elsewhere { host, reply } => Problem::Storage { host, reply },
                problem => problem,
            })?;
            verify(&answer.body, &config.digest)?;
            Ok(image_config::read(&answer.body))
        };
        read().map_err(|problem| RegistryError::new(step.clone(), problem))
    }
}

/// Refuses a name, tag or digest that breaks its grammar: it could lead to another path (CVE-2024-3727,
/// CVE-2021-25743).
fn sound(place: &RepositoryRef, reference: bool, shown_as: &str, step: impl Fn() -> Step) -> Result<(), RegistryError> {
    let repository = is_repository_name(&place.repository);
    if repository && reference {
        return Ok(());
    }
    let culprit = if repository { shown_as } else { &place.repository };
    Err(RegistryError::new(step(), Problem::BadName(shown(culprit))))
}

/// `repository:tag` or `repository@digest`.
fn reference(place: &RepositoryRef, reference: &str) -> Arc<str> {
    let separator = if reference.contains(':') { '@' } else { ':' };
    shown(&format!("{}{separator}{reference}", place.repository)).into()
}

/// Between the listing and the request, tags expire and manifests are deleted: `MANIFEST_UNKNOWN`, `TAG_EXPIRED`.
fn found(answer: &HttpAnswer) -> Result<(), Problem> {
    if let Some(not_found) = NotFound::read(answer.status, &answer.body, answer.elsewhere.is_some()) {
        let reply = error_answer(answer);
        return Err(match not_found {
            NotFound::NotTheRegistry if answer.elsewhere.is_some() => unexpected(answer),
            NotFound::Gone if is_not_accepted(&reply.text) => {
                Problem::UnsupportedContent(UnsupportedContent::NotAccepted(reply.to_string()))
            }
            _ => not_found.problem(reply),
        });
    }
    match answer.status {
        StatusCode::OK => Ok(()),
        StatusCode::METHOD_NOT_ALLOWED => Err(Problem::Unsupported(error_answer(answer))),
        _ => Err(unexpected(answer)),
    }
}

/// Whether the registry says that it has the manifest, but not in a form that the `Accept` header allows.
/// docker-registry, ACR and zot say so: `OCI index found, but accept header does not support OCI indexes`.
fn is_not_accepted(reply: &str) -> bool {
    let reply = reply.to_ascii_lowercase();
    reply.contains("accept header") || reply.contains("not acceptable")
}

/// The bytes that have these digests: the body, or, if the body is signed, its payload.
fn proven<'a>(body: &'a [u8], digests: &[Option<&str>]) -> Result<Cow<'a, [u8]>, Problem> {
    let all = |bytes: &[u8]| digests.iter().flatten().try_for_each(|digest| verify(bytes, digest));
    let Err(problem) = all(body) else { return Ok(Cow::Borrowed(body)) };
    match signed::payload(body) {
        Some(payload) if all(&payload).is_ok() => Ok(Cow::Owned(payload)),
        _ => Err(problem),
    }
}
