//! From a request to its answer. Every question to the site may panic without harm to other answers.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{
    ALLOW, CONNECTION, CONTENT_SECURITY_POLICY, HOST, HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::info;

use super::answer::{self, Body};
use super::guard::{Admission, Guard};
use super::hosts::Hosts;
use super::{NotRequested, Site, page, runbook};

/// Large answers that are made or on their way at once: a few of a dozen megabytes each.
const MOST_LARGE: usize = 4;
/// How long a request waits to be one of them. Prometheus waits for ten seconds itself.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Where requests go.
#[derive(Debug)]
pub(super) struct Routes {
    site: Arc<dyn Site>,
    large: Arc<Semaphore>,
    /// Room for the text of a large answer. Allocated anew for each, on whichever thread makes it, a dozen megabytes would
    /// stay with the allocator for each of these threads.
    room: Arc<Mutex<String>>,
}

/// Who is answered, and what.
#[derive(Debug)]
pub(super) struct Rules<'r> {
    pub(super) hosts: &'r Hosts,
    pub(super) guard: Option<&'r Guard>,
    pub(super) allow_runs: bool,
}

/// What may be asked for at one path.
#[derive(Clone, Copy)]
enum Route<'r> {
    Page,
    Metrics,
    Health,
    Readiness,
    Runbook(&'static str),
    Run(&'r str),
}

impl<'r> Route<'r> {
    fn of(path: &'r str, allow_runs: bool) -> Option<Self> {
        match path {
            "/" => Some(Self::Page),
            "/metrics" => Some(Self::Metrics),
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Readiness),
            _ if path.starts_with("/runbooks/") => runbook::of(&path["/runbooks/".len()..]).map(Self::Runbook),
            _ => {
                let name = path.strip_prefix("/api/v1/registries/")?.strip_suffix("/run")?;
                (allow_runs && !name.is_empty() && !name.contains('/')).then_some(Self::Run(name))
            }
        }
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Run(_) => "POST",
            _ => "GET, HEAD",
        }
    }
}

fn metrics(site: &dyn Site, text: &mut String) -> (HeaderValue, Option<HeaderValue>) {
    site.metrics(text);
    (answer::METRICS, None)
}

impl Routes {
    pub(super) fn new(site: Arc<dyn Site>) -> Self {
        Self { site, large: Arc::new(Semaphore::new(MOST_LARGE)), room: Arc::default() }
    }

    /// The answer to a request from this address. Its body is not read.
    pub(super) async fn answer<B: hyper::body::Body>(
        &self,
        request: &Request<B>,
        from: IpAddr,
        rules: &Rules<'_>,
    ) -> Response<Body> {
        let allow_runs = rules.allow_runs;
        let mut response = match rules.guard {
            // Before anything else: a page of another site is not to try passwords either.
            _ if !rules.hosts.admit(request) => answer::line(
                StatusCode::MISDIRECTED_REQUEST,
                "this name is not one of this host; if it is, add it to `web: {allowed_hosts: [...]}`",
            ),
            None => self.route(request, allow_runs).await,
            Some(guard) => match guard.admit(request.headers(), from).await {
                Admission::Admitted => self.route(request, allow_runs).await,
                Admission::Refused => {
                    let challenge = "Basic realm=\"stocktake\", charset=\"UTF-8\"";
                    answer::line_with(StatusCode::UNAUTHORIZED, "log in", WWW_AUTHENTICATE, challenge)
                }
                Admission::Busy => busy("too many logins at once"),
                Admission::TooMany => answer::line_with(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too many wrong passwords from this address; wait a minute",
                    RETRY_AFTER,
                    "60",
                ),
            },
        };
        if !request.body().is_end_stream() {
            // Whatever is still to come is not for us to read.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn route<B>(&self, request: &Request<B>, allow_runs: bool) -> Response<Body> {
        let Some(route) = Route::of(request.uri().path(), allow_runs) else {
            return answer::line(
                StatusCode::NOT_FOUND,
                "not found; there are /, /metrics, /healthz, /readyz and /runbooks/",
            );
        };
        if !route.methods().split(", ").any(|method| method == request.method().as_str()) {
            return answer::line_with(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", ALLOW, route.methods());
        }
        match route {
            Route::Page => self.large(request.headers(), page::of).await,
            Route::Metrics => self.large(request.headers(), metrics).await,
            Route::Health => self.yes_or_no(|site| site.is_healthy()),
            Route::Runbook(text) => answer::of(StatusCode::OK, answer::TEXT, text),
            Route::Readiness => self.yes_or_no(|site| site.is_ready()),
            Route::Run(name) => self.run(name, request.headers()).await,
        }
    }

    /// An answer that takes a thread, memory and time to make: type, security policy if it is a special one, text.
    async fn large(
        &self,
        headers: &HeaderMap,
        make: impl FnOnce(&dyn Site, &mut String) -> (HeaderValue, Option<HeaderValue>) + Send + 'static,
    ) -> Response<Body> {
        let Ok(Ok(permit)) = timeout(LONGEST_WAIT, Arc::clone(&self.large).acquire_owned()).await else {
            return busy("too many large answers at once");
        };
        let (site, is_gzip_welcome) = (Arc::clone(&self.site), answer::is_gzip_welcome(headers));
        let room = Arc::clone(&self.room);
        let answer = tokio::task::spawn_blocking(move || {
            let lent = || room.lock().unwrap_or_else(PoisonError::into_inner);
            let mut text = std::mem::take(&mut *lent());
            text.clear();
            let (content_type, policy) = make(site.as_ref(), &mut text);
            let mut response = answer::large(content_type, &mut text, is_gzip_welcome, permit);
            *lent() = text;
            if let Some(policy) = policy {
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            response
        });
        answer.await.unwrap_or_else(|_| broken())
    }

    fn yes_or_no(&self, ask: impl FnOnce(&dyn Site) -> Result<(), String>) -> Response<Body> {
        match catch_unwind(AssertUnwindSafe(|| ask(self.site.as_ref()))) {
            Ok(Ok(())) => answer::line(StatusCode::OK, "ok"),
            Ok(Err(why)) => answer::line(StatusCode::SERVICE_UNAVAILABLE, &why),
            Err(_) => broken(),
        }
    }

    async fn run(&self, name: &str, headers: &HeaderMap) -> Response<Body> {
        if is_from_another_site(headers) {
            return told(StatusCode::FORBIDDEN, &json!({"error": "asked for by another site's page"}));
        }
        let (site, registry) = (Arc::clone(&self.site), name.to_owned());
        let asked = tokio::spawn(async move { (site.run(&registry).await, registry) });
        match asked.await {
            Ok((Ok(requested), registry)) => {
                let run = requested.as_str();
                info!(%registry, run, "a run of {registry} was asked for over HTTP: {run}");
                told(StatusCode::ACCEPTED, &json!({"registry": registry, "run": run}))
            }
            Ok((Err(error), _)) => {
                let status = match error {
                    NotRequested::NoSuchRegistry => StatusCode::NOT_FOUND,
                    NotRequested::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                };
                told(status, &json!({"error": error.to_string()}))
            }
            Err(_) => told(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "internal error; the log has more"})),
        }
    }
}

/// Whether a browser sent this for a page that is not ours: it adds the login by itself, whoever's page it is. Programs
/// send neither header.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            host.is_none() || host != text(HOST.as_str())
        }
        (None, None) => false,
    }
}

fn told(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    answer::of(status, answer::JSON, format!("{body}\n"))
}

fn busy(why: &str) -> Response<Body> {
    answer::line_with(StatusCode::SERVICE_UNAVAILABLE, why, RETRY_AFTER, "1")
}

fn broken() -> Response<Body> {
    answer::line(StatusCode::INTERNAL_SERVER_ERROR, "internal error; the log has more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_from_our_own_and_from_programs() {
        for (headers, expected) in [
            (vec![], false),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-site", "none")], false),
            (vec![("sec-fetch-site", "same-site")], true),
            (vec![("sec-fetch-site", "cross-site")], true),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "http://a:1"), ("host", "a:1")], true),
            (vec![("origin", "http://a:1"), ("host", "a:1")], false),
            (vec![("origin", "https://a:1"), ("host", "a:1")], false),
            (vec![("origin", "http://b:1"), ("host", "a:1")], true),
            (vec![("origin", "http://a:1")], true),
            (vec![("origin", "null"), ("host", "null")], true),
            (vec![("origin", "")], true),
        ] {
            let pairs = headers.iter().map(|(name, value)| {
                (name.parse::<hyper::header::HeaderName>().expect("a name"), value.parse().expect("a value"))
            });
            assert_eq!(is_from_another_site(&pairs.collect()), expected, "{headers:?}");
        }
    }
}
