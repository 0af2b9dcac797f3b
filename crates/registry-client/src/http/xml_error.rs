//! Errors in XML: S3 and what imitates it (Ceph, `MinIO`, Google, Alibaba), Azure. Reads their code and message, and
//! nothing else of the document. Knows no status.

/// Longest code of an error.
const CODE: usize = 64;

/// An error of a storage service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct XmlError<'t> {
    /// Such as `NoSuchKey`: letters, digits and dots.
    pub(crate) code: &'t str,
    /// The message as it is written, which may be empty and is not safe to print.
    message: &'t str,
}

impl<'t> XmlError<'t> {
    /// Reads `<Error><Code>…</Code><Message>…</Message></Error>`. None if there is no such code.
    pub(crate) fn read(body: &'t str) -> Option<Self> {
        // Azure begins with a byte order mark.
        let text = body.trim_start_matches('\u{feff}').trim_start();
        if !text.starts_with("<?xml") && !text.starts_with("<Error") {
            return None;
        }
        let code = element(text, "Code").filter(|code| is_code(code))?;
        Some(Self { code, message: element(text, "Message").unwrap_or_default() })
    }

    /// The code and the message.
    pub(crate) fn text(self) -> String {
        let mut message = self.message.to_owned();
        for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")] {
            message = message.replace(entity, character);
        }
        // Azure writes a number of the request and a time on lines of their own.
        let message = message.lines().next().unwrap_or_default().trim();
        if message.is_empty() { self.code.to_owned() } else { format!("{}: {message}", self.code) }
    }
}

/// The text of the first element of this name.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = after.split_once(&format!("</{name}>"))?;
    Some(inside.trim())
}

/// Whether a text is a code and nothing else.
pub(crate) fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_';
    (1..=CODE).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> Option<String> {
        XmlError::read(body).map(XmlError::text)
    }

    /// Errors as these services document and send them.
    #[test]
    fn the_errors_of_storage_services_are_read() {
        for (body, wanted) in [
            (
                r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match.</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>"#,
                "SignatureDoesNotMatch: The request signature we calculated does not match.",
            ),
            (
                "<?xml version='1.0' encoding='UTF-8'?><Error><Code>AccessDenied</Code><Message>Access denied.</Message></Error>",
                "AccessDenied: Access denied.",
            ),
            (
                "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message></Message><BucketName>b</BucketName></Error>",
                "NoSuchBucket",
            ),
            (
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.\nRequestId:1\nTime:2</Message></Error>",
                "AuthenticationFailed: Server failed to authenticate the request.",
            ),
            (
                "<Error xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  <Code>\n SlowDown </Code><Message>a &lt;b&gt; &amp;amp;</Message></Error>",
                "SlowDown: a <b> &amp;",
            ),
            ("<Error><Code>InvalidAccessKeyId.NotFound</Code></Error>", "InvalidAccessKeyId.NotFound"),
        ] {
            assert_eq!(text(body).as_deref(), Some(wanted), "{body}");
        }
    }

    #[test]
    fn what_is_no_such_error_is_not_read() {
        for body in [
            "",
            "<html><Code>x</Code></html>",
            "<?xml version=\"1.0\"?><Error/>",
            "<?xml version=\"1.0\"?><Error><Code></Code></Error>",
            "<?xml version=\"1.0\"?><Error><Code>a b</Code></Error>",
            "<?xml version=\"1.0\"?><Error><Code>&lt;script&gt;</Code></Error>",
            "<Error><Code>x",
            "NoSuchKey",
        ] {
            assert_eq!(text(body), None, "{body}");
        }
        assert_eq!(text(&format!("<Error><Code>{}</Code></Error>", "x".repeat(65))), None);
    }
}
