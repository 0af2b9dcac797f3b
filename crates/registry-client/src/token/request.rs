//! A request for a token, as a URL and as a form. Sends nothing.

use url::{Url, form_urlencoded};

use crate::login::secret::Secret;
use crate::problem::Problem;
use crate::token::cache::TokenRequest;

/// Quay refuses request lines over 4 KiB; this leaves room for what is before and after the query.
const LONGEST_URL: usize = 4000;
/// The URL of the realm with its own query, and with `service` and one `scope` parameter for each scope: Quay reads
/// several scopes in this form only.
pub(crate) fn token_url(wanted: &TokenRequest) -> Result<Url, Problem> {
    let mut url = wanted.realm.clone();
    if wanted.service.is_some() || !wanted.scopes.is_empty() {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(wanted.service.iter().map(|service| ("service", service)));
        query.extend_pairs(wanted.scopes.iter().map(|scope| ("scope", scope)));
    }
    if url.as_str().len() > LONGEST_URL { Err(Problem::TooManyScopes) } else { Ok(url) }
}

/// The `OAuth2` password grant of the distribution specification. The request has Basic as well: some endpoints that
/// want a POST read the credentials only there.
pub(crate) fn password_form(wanted: &TokenRequest, username: &str, password: &Secret) -> String {
    grant(wanted, &[("grant_type", "password"), ("username", username), ("password", password.expose())])
}

/// The `OAuth2` grant of an identity token, which identifies the account by itself.
pub(crate) fn refresh_form(wanted: &TokenRequest, token: &Secret) -> String {
    grant(wanted, &[("grant_type", "refresh_token"), ("refresh_token", token.expose())])
}

/// The form of a grant: scopes separated by spaces, and the client ID, which the specification requires.
fn grant(wanted: &TokenRequest, pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).append_pair("client_id", "stocktake");
    form.extend_pairs(wanted.service.iter().map(|service| ("service", service)));
    if !wanted.scopes.is_empty() {
        form.append_pair("scope", &wanted.scopes.to_string());
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::login::header::basic;
    use crate::token::scope::ScopeSet;

    fn wanted(realm: &str, service: Option<&str>, scopes: &str) -> TokenRequest {
        let realm = Url::parse(realm).expect("a URL");
        TokenRequest { realm, service: service.map(str::to_owned), scopes: ScopeSet::parse([scopes]) }
    }

    #[test]
    fn the_realms_own_query_is_kept_and_missing_parts_are_left_out() {
        let url =
            |realm, service, scopes| String::from(token_url(&wanted(realm, service, scopes)).expect("short enough"));
        assert_eq!(url("https://a/t", None, ""), "https://a/t");
        assert_eq!(url("https://a/t?x=%2F&y", None, ""), "https://a/t?x=%2F&y");
        assert_eq!(
            url("https://a/t?x=%2F", Some("r:5000"), "registry:catalog:*"),
            "https://a/t?x=%2F&service=r%3A5000&scope=registry%3Acatalog%3A*"
        );
    }

    #[test]
    fn several_scopes_are_a_repeated_parameter() {
        let url = token_url(&wanted("https://a/t", None, "repository:a:pull repository:b:pull")).expect("short enough");
        assert_eq!(url.query(), Some("scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull"));
    }

    #[test]
    fn credentials_survive_in_header_and_form() {
        let password = Secret::new("p:a/ss%2B+wörd");
        let basic = basic("acme+inventory", &password).expect("a header");
        assert!(basic.is_sensitive());
        let text = basic.to_str().expect("ASCII").strip_prefix("Basic ").expect("Basic");
        assert_eq!(STANDARD.decode(text).expect("base64"), "acme+inventory:p:a/ss%2B+wörd".as_bytes());
        let form = password_form(&wanted("https://a/t", None, ""), "acme+inventory", &password);
        let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        assert!(pairs.iter().any(|(key, value)| key == "username" && value == "acme+inventory"));
        assert!(pairs.iter().any(|(key, value)| key == "password" && value == "p:a/ss%2B+wörd"));
    }
}
