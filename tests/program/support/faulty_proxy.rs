//! A proxy between the program and docker-registry that fails as networks, load balancers and token services do. Which
//! request fails, and how, follows from a seed, from what is asked, and from how often it was asked: not from the order in
//! which requests arrive.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use url::Url;

use super::docker_registry::DockerRegistry;

/// The path under which the token service is reached.
const TOKENS: &str = "/token";

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ProxyFault {
    /// 429, with a `Retry-After` of no time.
    RateLimited,
    /// 500 without a word.
    ServerError,
    /// The 404 of a load balancer that has lost its way.
    ProxyNotFound,
    /// The connection ends without an answer.
    Dropped,
    /// The body ends in its middle.
    Truncated,
    /// The answer has no `Link`.
    LostLink,
    /// The token is revoked: this request and all later ones with it are refused.
    RevokedToken,
}

impl ProxyFault {
    pub(crate) const ALL: [Self; 7] = [
        Self::RateLimited,
        Self::ServerError,
        Self::ProxyNotFound,
        Self::Dropped,
        Self::Truncated,
        Self::LostLink,
        Self::RevokedToken,
    ];
}

/// What goes wrong in a night.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// Makes one night differ from another.
    pub(crate) seed: u64,
    /// How often each fault befalls a request, 0 to 1.
    pub(crate) passing: Vec<(ProxyFault, f64)>,
    /// How often a fault befalls all requests for one and the same path, 0 to 1.
    pub(crate) lasting: Vec<(ProxyFault, f64)>,
}

type ProxiedBody = BoxBody<Bytes, io::Error>;

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub(crate) struct FaultyProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    served: watch::Receiver<usize>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    registry: Url,
    realm: String,
    client: reqwest::Client,
    weather: Mutex<Weather>,
    asked: Mutex<HashMap<String, u32>>,
    revoked: Mutex<HashSet<Vec<u8>>>,
    served: watch::Sender<usize>,
}

impl FaultyProxy {
    /// A proxy in front of a registry with tokens, in good weather.
    pub(crate) async fn start(registry: &DockerRegistry) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (served, watched) = watch::channel(0);
        let shared = Arc::new(Shared {
            address,
            registry: registry.url(),
            realm: registry.realm(),
            client: super::client(),
            weather: Mutex::default(),
            asked: Mutex::default(),
            revoked: Mutex::default(),
            served,
        });
        let proxy = shared.clone();
        let accepting = tokio::spawn(async move {
            // The connections end with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = proxy.clone();
                connections.spawn(async move {
                    let answer = service_fn(|request| proxy.answer(request));
                    // An error is a client that went away, or a connection that was to be dropped.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { address, shared, served: watched, accepting: accepting.abort_handle() }
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).expect("an address is an URL")
    }

    /// Changes the weather. What was revoked stays so.
    pub(crate) fn set(&self, weather: Weather) {
        *self.shared.weather.lock().expect("no holder panics") = weather;
        self.shared.asked.lock().expect("no holder panics").clear();
        self.shared.served.send_replace(0);
    }

    /// Waits until so many requests have come since the weather changed.
    pub(crate) async fn has_served(&self, requests: usize) {
        let mut served = self.served.clone();
        served.wait_for(|served| *served >= requests).await.expect("the proxy is there");
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<ProxiedBody>> {
        self.served.send_modify(|served| *served += 1);
        let fault = self.fault(&request);
        match fault {
            Some(ProxyFault::Dropped) => return Err(io::Error::other("dropped")),
            Some(ProxyFault::RateLimited) => {
                let mut answer = plain(StatusCode::TOO_MANY_REQUESTS, "slow down");
                answer.headers_mut().insert(RETRY_AFTER, 0.into());
                return Ok(answer);
            }
            Some(ProxyFault::ServerError) => return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "")),
            Some(ProxyFault::ProxyNotFound) => return Ok(plain(StatusCode::NOT_FOUND, "404 page not found\n")),
            _ => {}
        }
        let is_revoked = self.is_revoked(request.headers(), fault == Some(ProxyFault::RevokedToken));
        let (status, mut headers, body) = self.forward(&request, is_revoked).await;
        if fault == Some(ProxyFault::LostLink) {
            headers.remove(LINK);
        }
        let is_head = request.method() == hyper::Method::HEAD;
        let body = if fault == Some(ProxyFault::Truncated) && body.len() > 1 && !is_head {
            let half = Ok(Frame::data(body.slice(..body.len() / 2)));
            let broken = Err(io::Error::other("truncated"));
            StreamBody::new(stream::iter([half, broken])).boxed()
        } else {
            if !is_head {
                headers.remove(CONTENT_LENGTH);
            }
            whole(body)
        };
        let mut answer = Response::new(body);
        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
        Ok(answer)
    }

    /// What befalls a request, if anything does.
    fn fault(&self, request: &Request<Incoming>) -> Option<ProxyFault> {
        let weather = self.weather.lock().expect("no holder panics").clone();
        let path = format!("{} {}", request.method(), request.uri().path());
        let mut asked = self.asked.lock().expect("no holder panics");
        let time = asked.entry(request.uri().to_string()).and_modify(|time| *time += 1).or_insert(1);
        let passing = weather.passing.iter().map(|one| (one, format!("{} {time}", request.uri())));
        let lasting = weather.lasting.iter().map(|one| (one, path.clone()));
        let mut faults = lasting.chain(passing);
        faults.find(|((fault, share), of)| drawn(&(weather.seed, fault, of)) < *share).map(|((fault, _), _)| *fault)
    }

    /// Whether the request's token is revoked, now or before.
    fn is_revoked(&self, headers: &HeaderMap, now: bool) -> bool {
        let bearer = headers.get(AUTHORIZATION).filter(|value| value.as_bytes().starts_with(b"Bearer "));
        let Some(bearer) = bearer.map(|value| value.as_bytes().to_owned()) else { return false };
        let mut revoked = self.revoked.lock().expect("no holder panics");
        if now {
            revoked.insert(bearer.clone());
        }
        revoked.contains(&bearer)
    }

    /// The registry's answer, or its token service's; anonymously, where the token counts for nothing.
    async fn forward(&self, request: &Request<Incoming>, anonymously: bool) -> (StatusCode, HeaderMap, Bytes) {
        let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
        let url = match request.uri().path() {
            TOKENS => format!("{}{query}", self.realm),
            path => format!("{}{query}", self.registry.join(path).expect("a path")),
        };
        let mut headers = request.headers().clone();
        headers.remove(hyper::header::HOST);
        if anonymously {
            headers.remove(AUTHORIZATION);
        }
        let sent = self.client.request(request.method().clone(), url).headers(headers).send();
        let answer = sent.await.expect("docker-registry is there");
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        if let Some(challenge) = headers.get(WWW_AUTHENTICATE) {
            let challenge = challenge.to_str().expect("text");
            let challenge = challenge.replace(&self.realm, &format!("http://{}{TOKENS}", self.address));
            headers.insert(WWW_AUTHENTICATE, challenge.parse().expect("a header"));
        }
        (status, headers, answer.bytes().await.expect("a whole body"))
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<ProxiedBody> {
    let mut answer = Response::new(whole(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}

fn whole(bytes: Bytes) -> ProxiedBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// A number from 0 to 1 that is always the same for the same thing.
fn drawn(of: &impl std::hash::Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    fastrand::Rng::with_seed(hasher.finish()).f64()
}
