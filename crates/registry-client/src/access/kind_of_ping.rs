//! Recognises the software of a registry by its answer to a ping.

use hyper::header::{HeaderMap, HeaderValue, SERVER};
use serde_json::Value;
use url::Url;

use crate::settings::kind::RegistryKind;
use crate::token::challenge::Challenge;

/// The kind of the registry that answered to `/v2/`, and the reason, as in `kind: quay, because its token service is
/// …`. None if the answer does not show the kind.
pub(crate) fn kind_of_ping(
    headers: &HeaderMap,
    body: &[u8],
    challenges: &[Challenge],
) -> Option<(RegistryKind, &'static str)> {
    of_headers(headers)
        .or_else(|| challenges.iter().find_map(of_challenge))
        .or_else(|| of_both(headers, body, challenges))
}

fn of_headers(headers: &HeaderMap) -> Option<(RegistryKind, &'static str)> {
    let server = headers.get(SERVER).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if headers.contains_key("x-jfrog-version") || headers.contains_key("x-artifactory-id") {
        return Some((RegistryKind::Artifactory, "its answer bears JFrog's headers"));
    }
    if server.starts_with("artifactory") {
        return Some((RegistryKind::Artifactory, "its `Server` header says so"));
    }
    if server.starts_with("nexus") {
        return Some((RegistryKind::Nexus, "its `Server` header says so"));
    }
    None
}

/// The kind that a single challenge shows: by the address of the token service, its name, or the realm of Basic.
fn of_challenge(challenge: &Challenge) -> Option<(RegistryKind, &'static str)> {
    let realm = challenge.param("realm").unwrap_or_default();
    let service = challenge.param("service").unwrap_or_default();
    if challenge.is("basic") {
        let realm = realm.to_ascii_lowercase();
        return match () {
            () if service == "ecr.amazonaws.com" => Some((RegistryKind::Ecr, "its service is `ecr.amazonaws.com`")),
            () if realm.starts_with("sonatype nexus") => Some((RegistryKind::Nexus, "its realm says so")),
            () if realm.starts_with("artifactory") => Some((RegistryKind::Artifactory, "its realm says so")),
            () if realm.starts_with("harbor") => Some((RegistryKind::Harbor, "its realm says so")),
            () => None,
        };
    }
    let realm = Url::parse(realm).ok();
    let path = realm.as_ref().map_or("", Url::path);
    let host = realm.as_ref().and_then(Url::host_str).unwrap_or_default();
    match () {
        () if host == "auth.docker.io" => Some((RegistryKind::DockerHub, "its token service is auth.docker.io")),
        () if host == "ghcr.io" => Some((RegistryKind::Ghcr, "its token service is on ghcr.io")),
        () if host == "public.ecr.aws" => Some((RegistryKind::Ecr, "its token service is on public.ecr.aws")),
        () if host.ends_with(".azurecr.io") => Some((RegistryKind::Acr, "its token service is on azurecr.io")),
        () if service == "harbor-registry" || path.ends_with("/service/token") => {
            Some((RegistryKind::Harbor, "its token service is `/service/token`"))
        }
        () if path.contains("/api/docker/") => {
            Some((RegistryKind::Artifactory, "its token service is under `/api/docker/`"))
        }
        () if path.ends_with("/jwt/auth") => Some((RegistryKind::Gitlab, "its token service is `/jwt/auth`")),
        () if path.ends_with("/v2/auth") => Some((RegistryKind::Quay, "its token service is `/v2/auth`")),
        () => None,
    }
}

/// The kind that only several signs together show.
fn of_both(headers: &HeaderMap, body: &[u8], challenges: &[Challenge]) -> Option<(RegistryKind, &'static str)> {
    let bearer = challenges.iter().find(|challenge| challenge.is("bearer"));
    let realm = bearer.and_then(|bearer| bearer.param("realm")).and_then(|realm| Url::parse(realm).ok());
    let path = realm.as_ref().map_or("", Url::path);
    let basic = challenges.iter().any(|challenge| challenge.is("basic"));
    // Gitea sends both challenges at once: routers/api/packages/container/container.go.
    if path.ends_with("/v2/token") && basic {
        return Some((RegistryKind::Gitea, "its token service is `/v2/token` and it takes Basic as well"));
    }
    if path.ends_with("/token/") && headers.contains_key("correlation-id") {
        return Some((RegistryKind::Pulp, "its token service is `/token/` and it numbers its answers"));
    }
    let html = headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if html && body.trim_ascii() == b"true" {
        return Some((RegistryKind::Quay, "it answers `true` as HTML"));
    }
    // Other kinds send this header as well, so this check comes last. Distribution is recognised if the body is the
    // empty object, or a refusal in its own words.
    let version = headers.get("docker-distribution-api-version").map(HeaderValue::as_bytes);
    let open = body.trim_ascii() == b"{}" && challenges.is_empty();
    let is_its_own = version == Some(b"registry/2.0") && (open || refuses_as_distribution(body));
    is_its_own.then_some((RegistryKind::Distribution, "it answers as distribution does"))
}

/// `authentication required` with a detail that is null, as no other kind writes it (registry/handlers/app.go).
fn refuses_as_distribution(body: &[u8]) -> bool {
    let refusal = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let first = &refusal["errors"][0];
    first["message"] == "authentication required" && first.get("detail").is_some_and(Value::is_null)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn of_ping(headers: &[(&str, &str)], body: &str) -> Option<RegistryKind> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        let challenges = Challenge::parse_all(map.get_all("www-authenticate").iter().map(HeaderValue::as_bytes));
        let found = kind_of_ping(&map, body.as_bytes(), &challenges);
        assert!(found.is_none_or(|(_, why)| why.starts_with("it")), "`because` stands before the reason");
        found.map(|(kind, _)| kind)
    }

    /// The challenges are those of the real services.
    #[test]
    fn each_kind_is_told_by_what_it_answers() {
        let challenge = |value| of_ping(&[("www-authenticate", value)], "");
        for (value, kind) in [
            (r#"Bearer realm="https://quay.io/v2/auth",service="quay.io""#, RegistryKind::Quay),
            (r#"Bearer realm="https://h.example/service/token",service="harbor-registry""#, RegistryKind::Harbor),
            (r#"Basic realm="harbor""#, RegistryKind::Harbor),
            (r#"Bearer realm="https://gitlab.com/jwt/auth",service="container_registry""#, RegistryKind::Gitlab),
            (r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#, RegistryKind::DockerHub),
            (
                r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull""#,
                RegistryKind::Ghcr,
            ),
            (
                r#"Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com""#,
                RegistryKind::Ecr,
            ),
            (r#"Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws""#, RegistryKind::Ecr),
            (r#"Bearer realm="https://x.azurecr.io/oauth2/token",service="x.azurecr.io""#, RegistryKind::Acr),
            (
                r#"Bearer realm="https://a.example/artifactory/api/docker/d/v2/token",service="a""#,
                RegistryKind::Artifactory,
            ),
            (r#"Basic realm="Artifactory Realm""#, RegistryKind::Artifactory),
            (r#"BASIC realm="Sonatype Nexus Repository Manager""#, RegistryKind::Nexus),
        ] {
            assert_eq!(challenge(value), Some(kind), "{value}");
        }
        let gitea = [
            ("www-authenticate", r#"Bearer realm="https://g.example/v2/token",service="container_registry",scope="*""#),
            ("www-authenticate", "Basic realm=\"Gitea Container Registry\""),
        ];
        assert_eq!(of_ping(&gitea, ""), Some(RegistryKind::Gitea));
        let pulp = [
            ("www-authenticate", r#"Bearer realm="https://p.example/token/",service="p.example""#),
            ("correlation-id", "4f7a"),
        ];
        assert_eq!(of_ping(&pulp, ""), Some(RegistryKind::Pulp));
        assert_eq!(of_ping(&[("x-jfrog-version", "Artifactory/7")], ""), Some(RegistryKind::Artifactory));
        assert_eq!(of_ping(&[("server", "Nexus/3.70")], ""), Some(RegistryKind::Nexus));
        assert_eq!(of_ping(&[("content-type", "text/html; charset=utf-8")], "true"), Some(RegistryKind::Quay));
        let version = ("docker-distribution-api-version", "registry/2.0");
        assert_eq!(of_ping(&[version], "{}"), Some(RegistryKind::Distribution));
        // A registry with a token service; the answer is from docker-registry 2.8.2.
        let bearer = ("www-authenticate", r#"Bearer realm="https://r.example/token",service="r""#);
        let refusal = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}"#;
        assert_eq!(of_ping(&[version, bearer], refusal), Some(RegistryKind::Distribution));
        assert_eq!(of_ping(&[bearer], refusal), None);
        assert_eq!(of_ping(&[version, bearer], &refusal.replace(",\"detail\":null", "")), None);
    }

    #[test]
    fn what_several_kinds_answer_tells_none() {
        for (headers, body) in [
            (&[][..], ""),
            (&[("docker-distribution-api-version", "registry/2.0")], "{\"errors\":[]}"),
            (&[("www-authenticate", r#"Bearer realm="https://r.example/token",service="r""#)], ""),
            (&[("www-authenticate", "Basic realm=\"registry\"")], ""),
            (&[("www-authenticate", r#"Bearer realm="not a url",service="r""#)], "true"),
            (&[("www-authenticate", r#"Bearer realm="https://auth.docker.io.evil.example/token""#)], ""),
        ] {
            assert_eq!(of_ping(headers, body), None, "{headers:?} {body}");
        }
    }
}
