//! From a request to its response: which name and which login it needs, and which handler makes it. A handler that asks the
//! backend and panics costs one response.

use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::handler::Handler;
use axum::http::header::{
    ALLOW, CONNECTION, CONTENT_SECURITY_POLICY, HOST, HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceExt as _;
use tracing::info;

use super::backend::{RunRefused, WebBackend};
use super::basic_auth::{AuthOutcome, BasicAuth};
use super::hosts::AllowedHosts;
use super::response::{self, busy, internal_error};
use super::{page, runbook};

/// Large responses that are made or sent at once. Each can have a dozen megabytes.
const MOST_LARGE: usize = 4;
/// How long a request waits for a permit to make a large response. Prometheus waits ten seconds for the whole response.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// The path of a registry's run is between these two.
const REGISTRIES: &str = "/api/v1/registries/";
const RUN: &str = "/run";

/// All routes, with and without the route that starts a run.
#[derive(Debug)]
pub(super) struct Routes {
    read_only: Router,
    with_runs: Router,
}

/// Which requests are served, and what they may ask for.
#[derive(Debug)]
pub(super) struct RequestRules<'r> {
    pub(super) hosts: &'r AllowedHosts,
    pub(super) auth: Option<&'r BasicAuth>,
    pub(super) allow_runs: bool,
}

/// What the handlers share.
#[derive(Debug)]
struct HandlerState {
    backend: Arc<dyn WebBackend>,
    large: Arc<Semaphore>,
    /// The buffer for the text of a large response. A new one for each would leave a dozen megabytes with the allocator for
    /// each blocking thread.
    buffer: Mutex<String>,
}

impl Routes {
    pub(super) fn new(backend: Arc<dyn WebBackend>) -> Self {
        let (large, buffer) = (Arc::new(Semaphore::new(MOST_LARGE)), Mutex::default());
        let state = Arc::new(HandlerState { backend, large, buffer });
        let run = post(run).fallback(async || method_not_allowed("POST"));
        let with_runs = read_only()
            .route(&format!("{REGISTRIES}{{registry}}{RUN}"), run)
            // The router also matches an empty name.
            .route(&format!("{REGISTRIES}{RUN}"), any(not_found));
        Self { read_only: read_only().with_state(Arc::clone(&state)), with_runs: with_runs.with_state(state) }
    }

    /// The response to a request from this address.
    pub(super) async fn respond<B>(&self, request: Request<B>, from: IpAddr, rules: &RequestRules<'_>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let has_body = !request.body().is_end_stream();
        let mut response = match self.refuse(&request, from, rules).await {
            Some(refused) => refused,
            None => self.route(request.map(Body::new), rules.allow_runs).await,
        };
        if has_body {
            // No handler reads a body.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The host is checked before the login, so that a page of another site cannot try passwords.
    async fn refuse<B>(&self, request: &Request<B>, from: IpAddr, rules: &RequestRules<'_>) -> Option<Response> {
        if !rules.hosts.allow(request) {
            return Some(response::line(
                StatusCode::MISDIRECTED_REQUEST,
                "this name is not one of this host; if it is, add it to `web: {allowed_hosts: [...]}`",
            ));
        }
        match rules.auth?.check(request.headers(), from).await {
            AuthOutcome::Accepted => None,
            AuthOutcome::Rejected => {
                let challenge = "Basic realm=\"stocktake\", charset=\"UTF-8\"";
                Some(response::line_with(StatusCode::UNAUTHORIZED, "log in", WWW_AUTHENTICATE, challenge))
            }
            AuthOutcome::Busy => Some(busy("too many logins at once")),
            AuthOutcome::TooMany => Some(response::line_with(
                StatusCode::TOO_MANY_REQUESTS,
                "too many wrong passwords from this address; wait a minute",
                RETRY_AFTER,
                "60",
            )),
        }
    }

    async fn route(&self, request: Request<Body>, allow_runs: bool) -> Response {
        let router = if allow_runs { &self.with_runs } else { &self.read_only };
        router.clone().oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
    }
}

fn read_only() -> Router<Arc<HandlerState>> {
    let router = Router::new()
        .route("/", read(status_page))
        .route("/metrics", read(metrics))
        .route("/healthz", read(health))
        .route("/readyz", read(readiness))
        .fallback(not_found);
    runbook::sections().fold(router, |router, (alert, text)| {
        router.route(
            &format!("/runbooks/{alert}"),
            read(async move || response::of(StatusCode::OK, response::TEXT, text)),
        )
    })
}

/// GET and HEAD.
fn read<H: Handler<T, Arc<HandlerState>>, T: 'static>(handler: H) -> MethodRouter<Arc<HandlerState>> {
    get(handler).fallback(async || method_not_allowed("GET, HEAD"))
}

fn method_not_allowed(allowed: &'static str) -> Response {
    response::line_with(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", ALLOW, allowed)
}

async fn not_found() -> Response {
    response::line(StatusCode::NOT_FOUND, "not found; there are /, /metrics, /healthz, /readyz and /runbooks/")
}

async fn status_page(State(state): State<Arc<HandlerState>>, uri: Uri, headers: HeaderMap) -> Response {
    let opened = page::OpenedParts::of(uri.query());
    state.large(&headers, move |backend, text| page::of(backend, opened, text)).await
}

async fn metrics(State(state): State<Arc<HandlerState>>, headers: HeaderMap) -> Response {
    let write = |backend: &dyn WebBackend, text: &mut String| {
        backend.metrics(text);
        (response::METRICS, None)
    };
    state.large(&headers, write).await
}

async fn health(State(state): State<Arc<HandlerState>>) -> Response {
    state.yes_or_no(|backend| backend.is_healthy().map(|()| "ok".to_owned()))
}

async fn readiness(State(state): State<Arc<HandlerState>>) -> Response {
    let is_ready = |backend: &dyn WebBackend| {
        backend.is_ready()?;
        Ok(backend.remark().map_or_else(|| "ok".to_owned(), |remark| format!("ok\n{remark}")))
    };
    state.yes_or_no(is_ready)
}

/// The name in the path is compared as it stands: percent-encoding is not decoded.
async fn run(State(state): State<Arc<HandlerState>>, uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().strip_prefix(REGISTRIES).and_then(|rest| rest.strip_suffix(RUN)).unwrap_or_default();
    if is_from_another_site(&headers) {
        return response::json(StatusCode::FORBIDDEN, &json!({"error": "asked for by another site's page"}));
    }
    let Some(accepts_loss) = accepts_loss(uri.query()) else {
        return response::json(
            StatusCode::BAD_REQUEST,
            &json!({"error": "write `accept_shrink=true`, or leave it out"}),
        );
    };
    let registry = name.to_owned();
    let asked = tokio::spawn(async move { (state.backend.run(&registry, accepts_loss).await, registry) });
    match asked.await {
        Ok((Ok(accepted), registry)) => {
            let run = accepted.as_str();
            let accepting = if accepts_loss { " (accept_shrink)" } else { "" };
            info!(%registry, run, "a run of {registry} was requested over HTTP{accepting}: {run}");
            response::json(StatusCode::ACCEPTED, &json!({"registry": registry, "run": run}))
        }
        Ok((Err(error), _)) => {
            let status = match error {
                RunRefused::NoSuchRegistry => StatusCode::NOT_FOUND,
                RunRefused::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            };
            response::json(status, &json!({"error": error.to_string()}))
        }
        Err(_) => {
            let error = json!({"error": "internal error; the log has more"});
            response::json(StatusCode::INTERNAL_SERVER_ERROR, &error)
        }
    }
}

/// Whether a person accepts that the registry has lost something; `None` if that cannot be read. Other parameters have no
/// meaning.
fn accepts_loss(query: Option<&str>) -> Option<bool> {
    let mut pairs = query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    match pairs.find(|(name, _)| *name == "accept_shrink") {
        None | Some((_, "false")) => Some(false),
        Some((_, "true")) => Some(true),
        Some(_) => None,
    }
}

impl HandlerState {
    /// Makes a large response on a blocking thread. `make` writes the text, and returns the content type and the security
    /// policy if it is not the usual one.
    async fn large(
        self: Arc<Self>,
        headers: &HeaderMap,
        make: impl FnOnce(&dyn WebBackend, &mut String) -> (HeaderValue, Option<HeaderValue>) + Send + 'static,
    ) -> Response {
        let Ok(Ok(permit)) = timeout(LONGEST_WAIT, Arc::clone(&self.large).acquire_owned()).await else {
            return busy("too many large answers at once");
        };
        let accepts_gzip = response::accepts_gzip(headers);
        let response = tokio::task::spawn_blocking(move || {
            let mut text = std::mem::take(&mut *self.buffer.lock());
            text.clear();
            let (content_type, policy) = make(self.backend.as_ref(), &mut text);
            let mut response = response::large(content_type, &mut text, accepts_gzip, permit);
            *self.buffer.lock() = text;
            if let Some(policy) = policy {
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            response
        });
        response.await.unwrap_or_else(|_| internal_error())
    }

    fn yes_or_no(&self, ask: impl FnOnce(&dyn WebBackend) -> Result<String, String>) -> Response {
        match catch_unwind(AssertUnwindSafe(|| ask(self.backend.as_ref()))) {
            Ok(Ok(text)) => response::line(StatusCode::OK, &text),
            Ok(Err(why)) => response::line(StatusCode::SERVICE_UNAVAILABLE, &why),
            Err(_) => internal_error(),
        }
    }
}

/// Whether a browser sent the request for a page of another site. A browser adds the login to such requests too. Programs send
/// neither header.
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
                (name.parse::<axum::http::HeaderName>().expect("a name"), value.parse().expect("a value"))
            });
            assert_eq!(is_from_another_site(&pairs.collect()), expected, "{headers:?}");
        }
    }
}
