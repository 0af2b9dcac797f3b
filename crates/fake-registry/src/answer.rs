//! Builds responses: complete ones, and those whose body is cut off or slow.

use std::io::{self, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt as _;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::seen::SeenRequest;

/// The body of a response.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A response with a JSON body.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    bytes(status, "application/json", body.to_string().into_bytes())
}

/// An error in the format of the distribution specification.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response<Bytes> {
    json(status, &json!({"errors": [{"code": code, "message": message, "detail": null}]}))
}

/// A response with these bytes.
pub(super) fn bytes(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The credentials in a Basic `Authorization` header.
pub(super) fn basic_credentials(seen: &SeenRequest) -> Option<(String, String)> {
    let value = seen.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}

/// The same response, compressed if the client accepts gzip.
pub(super) fn gzip(seen: &SeenRequest, answer: Response<Bytes>) -> io::Result<Response<Bytes>> {
    if !seen.header(ACCEPT_ENCODING.as_str()).is_some_and(|accepted| accepted.contains("gzip")) {
        return Ok(answer);
    }
    let (mut parts, body) = answer.into_parts();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&body)?;
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(Response::from_parts(parts, encoder.finish()?.into()))
}

/// The complete response.
pub(super) fn whole(answer: Response<Bytes>) -> Response<Body> {
    answer.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync())
}

/// A response with the full `Content-Length`, of which only half arrives before the connection closes.
pub(super) fn truncated(answer: Response<Bytes>) -> Response<Body> {
    streamed(answer, |body| {
        let half = body.slice(..body.len() / 2);
        // The first piece must be sent before the failure. Otherwise the client sees no response at all.
        let cut = stream::once(tokio::task::yield_now()).map(|()| Err(io::ErrorKind::ConnectionAborted.into()));
        stream::iter([Ok(Frame::data(half))]).chain(cut).boxed()
    })
}

/// The response in pieces of `size` bytes, with a pause before each.
pub(super) fn dripped(answer: Response<Bytes>, size: usize, every: Duration) -> Response<Body> {
    streamed(answer, |body| {
        let pieces = stream::unfold(body, move |mut rest| async move {
            if rest.is_empty() {
                return None;
            }
            tokio::time::sleep(every).await;
            let piece = rest.split_to(size.clamp(1, rest.len()));
            Some((Ok(Frame::data(piece)), rest))
        });
        pieces.boxed()
    })
}

fn streamed(
    mut answer: Response<Bytes>,
    pieces: impl FnOnce(Bytes) -> stream::BoxStream<'static, io::Result<Frame<Bytes>>>,
) -> Response<Body> {
    let length = HeaderValue::from(answer.body().len());
    answer.headers_mut().insert(CONTENT_LENGTH, length);
    answer.map(|body| StreamBody::new(pieces(body)).boxed_unsync())
}
