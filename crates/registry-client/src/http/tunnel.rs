//! Asks a proxy for a way to the registry: `CONNECT` over HTTP (RFC 9110, 9.3.6), or SOCKS 5. Reads the proxy's whole
//! refusal, which says what the operator must do.

use std::io;
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tower::Service as _;

use crate::grammar::shown;
use crate::http::proxy::Proxy;
use crate::http::sent_secrets::SentSecrets;
use crate::problem::network::NetworkEvent;
use crate::problem::proxy::{ProxyAnswer, ProxyRefusal};

/// Longest status line with headers of a proxy's answer.
const LONGEST_HEAD: usize = 16 << 10;
/// What is read of the page of a refusal, and for how long.
const LONGEST_PAGE: usize = 8 << 10;
const PAGE_TIME: Duration = Duration::from_secs(2);

/// Why there is no way through the proxy.
#[derive(Debug)]
pub(crate) enum NoTunnel {
    Refused(ProxyAnswer),
    Broken(NetworkEvent),
}

impl From<io::Error> for NoTunnel {
    fn from(error: io::Error) -> Self {
        Self::Broken(NetworkEvent::broken(&error))
    }
}

/// Asks for a way to `target`, a host with its port.
pub(crate) async fn connect<S>(mut stream: S, proxy: &Proxy, target: &str) -> Result<S, NoTunnel>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {}\r\n", super::USER_AGENT);
    let authorization = proxy.authorization();
    if let Some(login) = authorization.as_ref().and_then(|value| value.to_str().ok()) {
        request.push_str("Proxy-Authorization: ");
        request.push_str(login);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut received = Vec::new();
    let end = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if received.len() > LONGEST_HEAD {
            return Err(NoTunnel::Refused(ProxyAnswer::NotHttp));
        }
        if stream.read_buf(&mut received).await? == 0 {
            let answer = if received.is_empty() { None } else { Some(ProxyAnswer::NotHttp) };
            return Err(answer.map_or(NoTunnel::Broken(NetworkEvent::Closed), NoTunnel::Refused));
        }
    };
    let head = ProxyHead::read(&received[..end]).ok_or(NoTunnel::Refused(ProxyAnswer::NotHttp))?;
    let page = received.split_off(end + 4);
    match head.status {
        200..=299 if page.is_empty() => Ok(stream),
        // In TLS the client speaks first, so the server has not sent these bytes.
        200..=299 => Err(NoTunnel::Refused(ProxyAnswer::NotHttp)),
        _ => {
            let page = head.rest_of_page(stream, page).await;
            // The page may repeat what the proxy was sent.
            let sent = SentSecrets::default();
            if let Some(login) = &authorization {
                sent.note_lasting(login);
            }
            let page = sent.redact(String::from_utf8_lossy(&page).into_owned());
            Err(NoTunnel::Refused(answer(head.status, &head.schemes, page.as_bytes())))
        }
    }
}

/// What a refusal says.
pub(crate) fn answer(status: u16, schemes: &[String], page: &[u8]) -> ProxyAnswer {
    let has_basic = schemes.is_empty() || schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
    if status == 407 && !has_basic {
        return ProxyAnswer::OtherLogin { schemes: shown(&schemes.join(" or ")) };
    }
    ProxyAnswer::Status { status, text: text_of(page) }
}

/// The status and those headers of a proxy's answer that are needed.
struct ProxyHead {
    status: u16,
    length: Option<usize>,
    /// The schemes of `Proxy-Authenticate`.
    schemes: Vec<String>,
}

impl ProxyHead {
    fn read(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        let mut read = Self { status, length: None, schemes: Vec::new() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                read.length = value.trim().parse().ok();
            } else if name.eq_ignore_ascii_case("proxy-authenticate") {
                read.schemes.extend(value.split_whitespace().next().map(str::to_owned));
            }
        }
        Some(read)
    }

    async fn rest_of_page(&self, mut stream: impl AsyncRead + Unpin, mut page: Vec<u8>) -> Vec<u8> {
        let longest = self.length.unwrap_or(LONGEST_PAGE).min(LONGEST_PAGE);
        let read =
            async { while page.len() < longest && stream.read_buf(&mut page).await.is_ok_and(|read| read > 0) {} };
        // What has been read by then is enough.
        let _ = timeout(PAGE_TIME, read).await;
        page.truncate(longest);
        page
    }
}

/// The text of a page, without its markup, in short.
pub(crate) fn text_of(page: &[u8]) -> String {
    let page = String::from_utf8_lossy(page);
    let lower = page.to_ascii_lowercase();
    let mut text = String::new();
    let mut at = 0;
    while let Some(open) = lower[at..].find('<').map(|open| at + open) {
        text.push_str(&page[at..open]);
        text.push(' ');
        let hidden = ["script", "style", "head"].into_iter().find(|name| lower[open + 1..].starts_with(name));
        let end = hidden.and_then(|name| lower[open..].find(&format!("</{name}"))).map_or(open, |end| open + end);
        at = lower[end..].find('>').map_or(page.len(), |close| end + close + 1);
    }
    text.push_str(&page[at..]);
    shown(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Asks a proxy that speaks SOCKS 5 for a way to the host of `to`.
pub(crate) async fn socks<S>(stream: S, proxy: &Proxy, to: &Uri) -> Result<S, NoTunnel>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stream = Some(TokioIo::new(stream));
    let connected = tower::util::service_fn(move |_: Uri| {
        let stream = stream.take();
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    let mut socks = SocksV5::new(proxy.to.clone(), connected);
    if let Some((name, password)) = proxy.login() {
        socks = socks.with_auth(name.clone(), password.clone());
    }
    let refused = |error: &dyn std::fmt::Display| {
        NoTunnel::Refused(ProxyAnswer::Socks(shown(&error.to_string().to_ascii_lowercase())))
    };
    socks.call(to.clone()).await.map(TokioIo::into_inner).map_err(|error| refused(&error))
}

impl NoTunnel {
    /// The refusal as a problem of this proxy.
    pub(crate) fn refusal(answer: ProxyAnswer, proxy: &Proxy, target: &str) -> ProxyRefusal {
        ProxyRefusal {
            proxy: proxy.name.clone(),
            target: target.to_owned(),
            answer,
            has_login: proxy.login().is_some(),
            tries: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_page_only_its_text_is_shown() {
        for (page, text) in [
            ("<html>blocked by policy 4711</html>", "blocked by policy 4711"),
            (
                "<html><head><title>x</title></head><body><h1>Access\n denied</h1><script>a<b</script>!",
                "Access denied !",
            ),
            ("plain\u{1b} text", "plain\\u{1b} text"),
            ("<open", ""),
            ("\u{130}<b>\u{130}</b>", "\u{130} \u{130}"),
            ("", ""),
        ] {
            assert_eq!(text_of(page.as_bytes()), text, "{page}");
        }
    }
}
