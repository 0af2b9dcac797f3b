//! One request and its whole, bounded answer; and the pause before the next try. It follows no redirect, knows no
//! token and takes no status for good or bad: that is its callers' business.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use reqwest::{Method, Request, StatusCode, Version, redirect};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::clock;
use crate::examine::tape::Tape;
use crate::http::admission::{Admission, Tries};
use crate::http::body::{Body, Cap};
use crate::http::connect::{Patience, asking};
use crate::http::flight::Flight;
use crate::http::gate::Gate;
use crate::http::not_found::{Strays, told_by_storage};
use crate::http::observer::{Endpoint, Meter, Rule};
use crate::http::pace::Pace;
use crate::http::reach::{Reach, Way};
use crate::http::retry::RetryPolicy;
use crate::http::sent::Memory;
use crate::http::slowed::{Account, Slowed};
use crate::http::stats::Counters;
use crate::http::throttle::Throttles;
use crate::http::tls::client_config;
use crate::model::media_type::ACCEPTED;
use crate::problem::Problem;
use crate::problem::address::Forbidden;
use crate::problem::body::BodyError;
use crate::problem::link::LinkError;
use crate::problem::table::tls_cause;
use crate::settings::Settings;

/// Bound on connecting alone; within the bound on the whole request.
const CONNECT: Duration = Duration::from_secs(10);

/// What a request is for: its method, what it accepts, and how long a good answer's body may be, follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A page of names or tags, the ping.
    Listing,
    /// An answer of a registry's own API.
    Api,
    /// A token.
    Token,
    /// A manifest's digest and media type alone.
    Head,
    /// A manifest.
    Manifest,
    /// A configuration.
    Blob,
}

impl Wants {
    fn accept(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Listing | Self::Api | Self::Token => "application/json",
            Self::Head | Self::Manifest => ACCEPTED,
            Self::Blob => "*/*",
        })
    }

    fn cap(self) -> Cap {
        match self {
            Self::Listing => Cap::PAGE,
            Self::Api => Cap::API,
            Self::Token | Self::Head => Cap::SMALL,
            Self::Manifest => Cap::MANIFEST,
            Self::Blob => Cap::CONFIG,
        }
    }
}

/// What a POST carries.
#[derive(Clone, Copy)]
pub(crate) enum Posted<'a> {
    /// `application/x-www-form-urlencoded`.
    Form(&'a str),
    /// `application/json`. Secrets in it are to be noted by whoever sends it.
    Json(&'a str),
}

/// A request to send: a GET, for [`Wants::Head`] a HEAD, or with something to post a POST.
pub(crate) struct Call<'a> {
    pub(crate) url: &'a Url,
    pub(crate) authorization: Option<&'a HeaderValue>,
    pub(crate) form: Option<Posted<'a>>,
    pub(crate) wants: Wants,
    /// As whose it is counted.
    pub(crate) endpoint: Endpoint,
    /// Who has said that it goes there.
    pub(crate) way: Way,
}

impl<'a> Posted<'a> {
    fn form(self) -> Option<&'a str> {
        match self {
            Self::Form(form) => Some(form),
            Self::Json(_) => None,
        }
    }
}

/// An answer received whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// What requests carried: an answer that is shown is shown without it.
    pub(crate) sent: Arc<Memory>,
    /// The 429 with which a request was given up: for how long all answers had been like it, and the pause that was
    /// asked for.
    pub(crate) in_vain: Option<(Duration, Option<Duration>)>,
}

impl Answer {
    /// Whether the server ends the connection with it.
    fn is_the_last(&self) -> bool {
        let says = |option| {
            let values = self.headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|said| said.trim().eq_ignore_ascii_case(option))
        };
        says("close") || (self.version == Version::HTTP_10 && !says("keep-alive"))
    }
}

/// No answer to speak of.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another try may fare better.
    Broken(Problem),
    /// It would come out the same.
    Unusable(Problem),
}

/// The way to one registry and its token endpoint.
pub(crate) struct Transport {
    reach: Reach,
    pub(crate) registry: Arc<str>,
    pub(crate) permits: Arc<Semaphore>,
    patience: Patience,
    pub(crate) gate: &'static Gate,
    pub(crate) throttles: &'static Throttles,
    pub(crate) pace: Option<Pace>,
    pub(crate) slowed: Account,
    pub(crate) retry: RetryPolicy,
    timeout: Duration,
    pub(crate) strays: Strays,
    pub(crate) counters: Counters,
    pub(crate) meter: Arc<dyn Meter>,
    pub(crate) sent: Arc<Memory>,
    /// Where an examination listens in.
    pub(crate) tape: OnceLock<Arc<Tape>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The HTTP client's own Debug may show a proxy's password.
        f.debug_struct("Transport").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(settings: &Settings, retry: RetryPolicy, meter: Arc<dyn Meter>) -> Result<Self, Problem> {
        let patience = Patience::new(settings.concurrency.get());
        let tls = client_config(settings)?;
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(concat!("stocktake/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .http1_only()
                .tcp_nodelay(true)
                .connect_timeout(CONNECT.min(settings.timeout))
                .connector_layer(patience.clone())
                .pool_max_idle_per_host(settings.concurrency.get())
        };
        let sent = Arc::<Memory>::default();
        Ok(Self {
            reach: Reach::new(settings, sent.clone(), builder).map_err(Problem::HttpSetup)?,
            registry: settings.name.clone(),
            permits: Arc::new(Semaphore::new(settings.concurrency.get().min(Semaphore::MAX_PERMITS))),
            patience,
            gate: Gate::shared(),
            throttles: Throttles::shared(),
            slowed: Account::default(),
            pace: settings.requests_per_second.map(|most| Pace::new(&settings.url, most.get())),
            retry,
            timeout: settings.timeout,
            strays: Strays::default(),
            counters: Counters::default(),
            meter,
            sent,
            tape: OnceLock::new(),
        })
    }

    /// Sends once, in the turn of its admission.
    pub(crate) async fn attempt(
        &self,
        call: &Call<'_>,
        admission: &Admission,
        tries: &mut Tries,
    ) -> Result<Answer, Failure> {
        let refused = |to| Failure::Unusable(self.watched(Problem::Forbidden(to)));
        let http = self.reach.client(call.url, call.way).map_err(refused)?;
        self.take_turn(admission, call.url, call.endpoint).await;
        self.counters.sent(call.wants);
        self.sent.note(call.authorization, call.form.and_then(Posted::form));
        let begun = Instant::now();
        tries.sent = begun;
        let mut flight = Flight::begin(&*self.meter, call.endpoint);
        let outcome = timeout(self.timeout, self.exchange(http, call, &mut flight)).await;
        let outcome = outcome.unwrap_or(Err(Failure::Broken(Problem::Timeout(self.timeout))));
        flight.end(&outcome);
        if let Some(tape) = self.tape.get() {
            tape.record(&request(call), call.form.and_then(Posted::form), &outcome, begun.elapsed(), &self.sent);
        }
        if outcome.as_ref().map_or(true, Answer::is_the_last) {
            self.patience.ended();
        }
        outcome
    }

    /// Notes a page of repositories that can be read.
    pub(crate) fn page_received(&self) {
        self.counters.pages.fetch_add(1, Ordering::Relaxed);
        self.meter.page(Ok(()));
    }

    /// Tells of an answer that a rule of safety refuses; to be called where the problem arises, and only there.
    pub(crate) fn watched(&self, problem: Problem) -> Problem {
        let rule = match &problem {
            Problem::Realm { .. } => Some(Rule::RealmHost),
            Problem::Redirect { .. } => Some(Rule::Redirect),
            Problem::Link(LinkError::OtherOrigin) => Some(Rule::Link),
            Problem::Forbidden(_) => Some(Rule::Address),
            _ => None,
        };
        if let Some(rule) = rule {
            self.meter.refused_for_safety(rule);
        }
        problem
    }

    /// The limits that this client has met.
    pub(crate) fn slowed(&self) -> Vec<Slowed> {
        self.slowed.read()
    }

    async fn exchange(
        &self,
        http: &reqwest::Client,
        call: &Call<'_>,
        flight: &mut Flight<'_>,
    ) -> Result<Answer, Failure> {
        let mut response =
            asking(http.execute(request(call))).await.map_err(|error| match Forbidden::cause(&error) {
                Some(refused) => Failure::Unusable(self.watched(Problem::Forbidden(refused))),
                None => broken(error),
            })?;
        self.reach.answered(call.url, response.remote_addr());
        flight.answered(response.headers(), clock::now());
        let (status, version) = (response.status(), response.version());
        let cap = if status.is_success() { call.wants.cap() } else { Cap::SMALL };
        let headers = std::mem::take(response.headers_mut());
        if call.wants == Wants::Head {
            // Its Content-Length is that of the body that a GET would bring.
            return Ok(Answer { status, version, headers, body: Vec::new(), sent: self.sent.clone(), in_vain: None });
        }
        let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        let body = async {
            let mut body = Body::new(encoding, response.content_length(), cap).map_err(unusable)?;
            while let Some(chunk) = response.chunk().await.map_err(broken)? {
                flight.received(chunk.len());
                body.push(&chunk).map_err(unusable)?;
            }
            body.finish().map_err(unusable)
        };
        let body = match body.await {
            // What a foreign host says of itself is not ours to show: it may be one that only we can reach.
            Ok(body) if call.way == Way::Abroad && !status.is_success() => told_by_storage(&body).into(),
            Ok(body) => body,
            Err(failure) if status.is_success() => return Err(failure),
            // The status of an error says enough; its body is only shown.
            Err(_) => Vec::new(),
        };
        Ok(Answer { status, version, headers, body, sent: self.sent.clone(), in_vain: None })
    }
}

fn request(call: &Call<'_>) -> Request {
    let method = match (call.form, call.wants) {
        (Some(_), _) => Method::POST,
        (None, Wants::Head) => Method::HEAD,
        (None, _) => Method::GET,
    };
    let mut request = Request::new(method, call.url.clone());
    let headers = request.headers_mut();
    headers.insert(ACCEPT, call.wants.accept());
    // A HEAD is to tell the manifest's own length, not that of its compressed form.
    let encoding = if call.wants == Wants::Head { "identity" } else { "gzip" };
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    if let Some(authorization) = call.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    if let Some(posted) = call.form {
        let (media_type, body) = match posted {
            Posted::Form(form) => ("application/x-www-form-urlencoded", form),
            Posted::Json(json) => ("application/json", json),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        *request.body_mut() = Some(body.to_owned().into());
    }
    request
}

fn broken(error: reqwest::Error) -> Failure {
    // The step says what was asked for; a URL could bring a cursor or more into the logs.
    let error = error.without_url();
    if tls_cause(&error).is_some() {
        Failure::Unusable(Problem::Tls(error))
    } else if error.is_builder() {
        Failure::Unusable(Problem::Broken(error))
    } else {
        Failure::Broken(Problem::Broken(error))
    }
}

fn unusable(error: BodyError) -> Failure {
    Failure::Unusable(Problem::Body(error))
}
