//! One request and its complete answer within a bound, and the pause before the next attempt. It follows no redirect,
//! knows no token and judges no status: its callers do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::header::{CONTENT_ENCODING, HeaderValue};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::clock;
use crate::http::body::{BodyReader, Cap};
use crate::http::call::{HttpAnswer, HttpCall, HttpFailure, PostBody, RequestKind, request};
use crate::http::connect::ConnectionLimit;
use crate::http::connector::CONNECT;
use crate::http::error_answer::code_alone;
use crate::http::foreign_answer::not_of_the_registry;
use crate::http::gate::Gate;
use crate::http::host_policy::{HostPolicy, NamedBy};
use crate::http::in_flight::InFlightRequest;
use crate::http::not_found::ForeignNotFoundCounter;
use crate::http::observer::{Observer, RawExchange, SafetyRule};
use crate::http::pace::Pace;
use crate::http::proxy::ProxyEnvironment;
use crate::http::retry::RetryPolicy;
use crate::http::sent_secrets::SentSecrets;
use crate::http::slowed::{RateLimitSeen, SlowedAccount};
use crate::http::stats::Counters;
use crate::http::throttle::Throttles;
use crate::http::tls::client_config;
use crate::http::turn::{Admission, Tries};
use crate::http::wire::{WireClient, WireSettings, place_of};
use crate::problem::Problem;
use crate::problem::body::BodyError;
use crate::problem::link::LinkError;
use crate::problem::network::{NetworkEvent, NetworkProblem, Peer};
use crate::settings::RegistrySettings;

/// The transport to one registry and its token endpoint.
pub(crate) struct Transport {
    host_policy: HostPolicy,
    pub(crate) registry: Arc<str>,
    pub(crate) permits: Arc<Semaphore>,
    connection_limit: ConnectionLimit,
    pub(crate) gate: &'static Gate,
    pub(crate) throttles: &'static Throttles,
    pub(crate) pace: Option<Pace>,
    pub(crate) slowed: SlowedAccount,
    pub(crate) retry: RetryPolicy,
    timeout: Duration,
    pub(crate) foreign_not_found: ForeignNotFoundCounter,
    pub(crate) counters: Counters,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) sent: Arc<SentSecrets>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The HTTP client's own `Debug` may show a proxy's password.
        f.debug_struct("Transport").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(
        settings: &RegistrySettings,
        retry: RetryPolicy,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Problem> {
        let connection_limit = ConnectionLimit::new(settings.concurrency.get());
        let wire = WireSettings {
            tls: Arc::new(client_config(settings)?),
            limit: connection_limit.clone(),
            most_idle: settings.concurrency.get(),
            connect: CONNECT.min(settings.timeout),
        };
        let sent = Arc::<SentSecrets>::default();
        Ok(Self {
            host_policy: HostPolicy::new(settings, sent.clone(), ProxyEnvironment::of_process(), &wire)?,
            registry: settings.name.clone(),
            permits: Arc::new(Semaphore::new(settings.concurrency.get().min(Semaphore::MAX_PERMITS))),
            connection_limit,
            gate: Gate::shared(),
            throttles: Throttles::shared(),
            slowed: SlowedAccount::default(),
            pace: settings.requests_per_second.map(|most| Pace::new(&settings.url, most.get())),
            retry,
            timeout: settings.timeout,
            foreign_not_found: ForeignNotFoundCounter::default(),
            counters: Counters::default(),
            observer,
            sent,
        })
    }

    /// Sends one attempt, in the turn of its admission.
    pub(crate) async fn attempt(
        &self,
        call: &HttpCall<'_>,
        admission: &Admission,
        tries: &mut Tries,
    ) -> Result<HttpAnswer, HttpFailure> {
        let refused = |problem| HttpFailure::Unusable(self.reported(problem));
        let http = self.host_policy.client(call.url, call.named_by).map_err(refused)?;
        self.take_turn(admission, call.url, call.endpoint).await;
        self.counters.sent(call.wants);
        self.sent.note(call.authorization, call.form.and_then(PostBody::form));
        let begun = Instant::now();
        tries.sent = begun;
        let mut flight = InFlightRequest::begin(&*self.observer, call.endpoint);
        let outcome = timeout(self.timeout, self.exchange(http, call, &mut flight)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(silent(call.url, self.timeout)));
        let outcome = outcome.map_err(|failure| failure.with_hosts(|host| self.sent.shown(host)));
        flight.end(&outcome);
        self.observer.exchanged(&RawExchange { call, outcome: &outcome, took: begun.elapsed(), sent: &self.sent });
        if outcome.as_ref().map_or(true, HttpAnswer::is_the_last) {
            self.connection_limit.ended();
        }
        outcome
    }

    /// Notes a page of repositories that was read.
    pub(crate) fn page_received(&self) {
        self.counters.pages.fetch_add(1, Ordering::Relaxed);
        self.observer.page(Ok(()));
    }

    /// Reports to the observer an answer that a safety rule rejects. Call it where the problem arises, once.
    pub(crate) fn reported(&self, problem: Problem) -> Problem {
        let rule = match &problem {
            Problem::Realm { .. } => Some(SafetyRule::RealmHost),
            Problem::Redirect { .. } | Problem::TokenRedirect { .. } | Problem::PageForPeople { .. } => {
                Some(SafetyRule::Redirect)
            }
            Problem::Link(LinkError::OtherOrigin) => Some(SafetyRule::Link),
            Problem::Forbidden(_) => Some(SafetyRule::Address),
            _ => None,
        };
        if let Some(rule) = rule {
            self.observer.refused_for_safety(rule);
        }
        problem
    }

    /// The rate limits that this client has met.
    pub(crate) fn slowed(&self) -> Vec<RateLimitSeen> {
        self.slowed.read()
    }

    async fn exchange(
        &self,
        http: &WireClient,
        call: &HttpCall<'_>,
        flight: &mut InFlightRequest<'_>,
    ) -> Result<HttpAnswer, HttpFailure> {
        let sent = http.send(call.url, request(call)).await;
        let mut response = sent.map_err(|problem| failure(self.reported(problem)))?;
        self.host_policy.answered(call.url, response.from);
        flight.answered(&response.headers, clock::now());
        let (status, version) = (response.status, response.version);
        let cap = if status.is_success() { call.wants.cap() } else { Cap::SMALL };
        let headers = std::mem::take(&mut response.headers);
        if call.wants == RequestKind::Head {
            // `Content-Length` is that of the body that a GET would return.
            return Ok(HttpAnswer {
                status,
                version,
                headers,
                body: Vec::new(),
                sent: self.sent.clone(),
                without_success: None,
                elsewhere: None,
            });
        }
        let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        let body = async {
            let mut body = BodyReader::new(encoding, response.length(), cap).map_err(unusable)?;
            while let Some(chunk) = response.chunk(call.url).await.map_err(failure)? {
                flight.received(chunk.len());
                body.push(&chunk).map_err(unusable)?;
            }
            body.finish().map_err(unusable)
        };
        let body = match body.await {
            // The error text of another host is not shown: that host may be one that only this machine can reach.
            Ok(body) if call.named_by == NamedBy::Redirect && !status.is_success() => code_alone(&body),
            Ok(body) => body,
            Err(failure) if status.is_success() => return Err(failure),
            // The status of an error is enough; its body is only shown.
            Err(_) => Vec::new(),
        };
        let answer = HttpAnswer {
            status,
            version,
            headers,
            body,
            sent: self.sent.clone(),
            without_success: None,
            elsewhere: None,
        };
        not_of_the_registry(http, call, &answer).map_or(Ok(answer), |problem| Err(failure(problem)))
    }

    /// How a URL is reached, in words: through which proxy, or why not through one.
    pub(crate) fn route_in_words(&self, url: &Url) -> Result<String, String> {
        self.host_policy.route_in_words(url)
    }
}

/// Whether another attempt may help.
fn failure(problem: Problem) -> HttpFailure {
    match problem {
        Problem::Network(_) => HttpFailure::Broken(problem),
        Problem::Proxy(ref refusal) if refusal.may_pass() => HttpFailure::Broken(problem),
        problem => HttpFailure::Unusable(problem),
    }
}

fn silent(url: &Url, within: Duration) -> HttpFailure {
    let event = NetworkEvent::Silent(within);
    HttpFailure::Broken(Problem::Network(NetworkProblem::boxed(Peer::Server(place_of(url)), event)))
}

fn unusable(error: BodyError) -> HttpFailure {
    HttpFailure::Unusable(Problem::Body(error))
}
