//! Reads `WWW-Authenticate` by RFC 9110, section 11: the schemes that a server offers, with their parameters. It knows
//! neither origins nor tokens: what to do with a challenge is decided elsewhere.

/// One challenge of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// The scheme as the server wrote it; compare with [`Challenge::is`].
    scheme: String,
    /// The parameters, names in lower case, in the server's order.
    params: Vec<(String, String)>,
}

impl Challenge {
    /// All challenges of all `WWW-Authenticate` headers, in order. Unreadable parts are left out: a server that offers
    /// one odd scheme may offer a good one as well.
    pub(crate) fn parse_all<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let mut found = Vec::new();
        for header in headers {
            parse(&String::from_utf8_lossy(header), &mut found);
        }
        found
    }

    /// Whether this is the given scheme; schemes are case-insensitive (RFC 9110, 11.1).
    pub(crate) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The first parameter of this name (lower case); empty values count as missing.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The scheme and the parameters as the server wrote them; not safe to print.
    pub(crate) fn parts(&self) -> (&str, &[(String, String)]) {
        (&self.scheme, &self.params)
    }
}

fn parse(text: &str, found: &mut Vec<Challenge>) {
    let mut rest = Scan(text);
    let first_of_this_header = found.len();
    loop {
        rest.skip(|c| c == ',' || is_blank(c));
        let name = rest.take(is_token);
        if name.is_empty() {
            if rest.0.is_empty() {
                return;
            }
            // This is not the beginning of a challenge: continue after the next comma.
            rest.take(|c| c != ',');
            continue;
        }
        let mut ahead = Scan(rest.0);
        ahead.skip(is_blank);
        if let Some(after) = ahead.0.strip_prefix('=') {
            rest = Scan(after);
            let value = rest.value();
            // A parameter before the first scheme of this header belongs to no challenge.
            if let Some(challenge) = found[first_of_this_header..].last_mut() {
                challenge.params.push((name.to_ascii_lowercase(), value));
            }
            continue;
        }
        found.push(Challenge { scheme: name.to_owned(), params: Vec::new() });
        rest = ahead;
        rest.skip_token68();
    }
}

/// The unread rest of a header.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    fn take(&mut self, want: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !want(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.take(unwanted);
    }

    /// A quoted string, or the text before the next comma or blank: registries write realm URLs without quotes.
    fn value(&mut self) -> String {
        self.skip(is_blank);
        let Some(quoted) = self.0.strip_prefix('"') else {
            return self.take(|c| c != ',' && !is_blank(c)).to_owned();
        };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &quoted[at + 1..];
                    return value;
                }
                '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
                other => value.push(other),
            }
        }
        self.0 = "";
        value
    }

    /// Skips `Negotiate YIIB...==`: such a credential is neither a parameter nor the next scheme.
    fn skip_token68(&mut self) {
        let mut ahead = Scan(self.0);
        let body = ahead.take(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        ahead.skip(|c| c == '=');
        let mut after = Scan(ahead.0);
        after.skip(is_blank);
        if !body.is_empty() && (after.0.is_empty() || after.0.starts_with(',')) {
            self.0 = after.0;
        }
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_one(header: &str) -> Vec<Challenge> {
        Challenge::parse_all([header.as_bytes()])
    }

    #[test]
    fn challenges_are_read_by_rfc_9110() {
        let realm = "https://auth.example.com/token";
        for header in [
            r#"Bearer realm="https://auth.example.com/token",service="r",scope="registry:catalog:*""#,
            r#"bearer realm="https://auth.example.com/token" , service="r" , scope="registry:catalog:*""#,
            r#"BEARER   Realm = "https://auth.example.com/token",  SERVICE = r,	scope=registry:catalog:*"#,
            "Bearer realm=https://auth.example.com/token,service=r,scope=registry:catalog:*",
            r#", ,Bearer ,realm="https://auth.example.com/token",,service="\r",scope="registry:catalog:*","#,
            r#"Basic realm="x, Bearer realm=y", Bearer realm="https://auth.example.com/token",service="r",scope="registry:catalog:*""#,
            r#"Negotiate YII/B+a==, Bearer realm="https://auth.example.com/token",service="r",scope="registry:catalog:*""#,
            r#"Negotiate, Bearer realm="https://auth.example.com/token",service="r",scope="registry:catalog:*", Basic"#,
            r#"Bearer realm="https://auth.example.com/token",service="r",scope="registry:catalog:*"#,
        ] {
            let found = parse_one(header);
            let bearer = found.iter().find(|c| c.is("bearer")).unwrap_or_else(|| panic!("{header}: {found:?}"));
            assert_eq!(bearer.param("realm"), Some(realm), "{header}");
            assert_eq!(bearer.param("service"), Some("r"), "{header}");
            assert_eq!(bearer.param("scope"), Some("registry:catalog:*"), "{header}");
        }
    }

    #[test]
    fn commas_inside_quotes_stay_in_the_scope() {
        let found = parse_one(r#"Bearer realm="https://a/t",scope="repository:a/b:pull,push repository:c:pull""#);
        assert_eq!(found[0].param("scope"), Some("repository:a/b:pull,push repository:c:pull"));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn several_challenge_headers_are_read_also_with_basic_first() {
        let found = Challenge::parse_all([&b"Basic realm=\"gitea\""[..], b"Bearer realm=\"https://h/v2/token\""]);
        assert_eq!(found.len(), 2);
        assert!(found[0].is("basic") && found[1].is("Bearer"));
        assert_eq!(found[1].param("service"), None);
        assert_eq!(found[1].param("scope"), None);
        assert_eq!(found[0].param("realm"), Some("gitea"));
    }

    #[test]
    fn a_realm_keeps_its_own_query() {
        let found = parse_one(r#"Bearer realm="/auth?tenant=a&x=%2F",service="""#);
        assert_eq!(found[0].param("realm"), Some("/auth?tenant=a&x=%2F"));
        assert_eq!(found[0].param("service"), None);
    }

    #[test]
    fn rubbish_neither_panics_nor_hides_the_good_challenge() {
        for header in ["", "=", "\"", "Bearer", "é=1, Bearer realm=x", "realm=\"x\"", ",,,", "Bearer realm=\"a\\"] {
            parse_one(header);
        }
        assert_eq!(parse_one("é=1, Bearer realm=x")[0].param("realm"), Some("x"));
        assert!(parse_one("realm=\"x\"").is_empty());
    }
}
