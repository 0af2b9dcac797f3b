//! Which entry of a file is the one of a registry: hosts, ports and namespaces, as docker and podman write them.

use url::Url;

/// The key of Docker Hub in docker's file, and the server name that its helpers are asked for.
const HUB: &str = "https://index.docker.io/v1/";
/// All names of Docker Hub; docker and podman treat them as one.
const HUB_HOSTS: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// The registry whose credentials are searched.
pub(super) struct ConfiguredServer {
    /// Host, and port unless it is the default of the scheme.
    host: String,
    /// Host and port, also if it is the default of the scheme: some tools write it.
    with_port: String,
    namespace: Option<String>,
}

impl std::fmt::Display for ConfiguredServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = self.namespace.iter().map(|namespace| format!("/{namespace}"));
        write!(f, "{}{}", self.host, namespace.collect::<String>())
    }
}

impl ConfiguredServer {
    pub(super) fn of(registry: &Url, namespace: Option<&str>) -> Self {
        let name = canonical(registry.host_str().unwrap_or_default());
        let port = registry.port().map(|port| format!(":{port}")).unwrap_or_default();
        let own_port = registry.port_or_known_default().unwrap_or_default();
        let namespace = namespace.map(|namespace| namespace.trim_matches('/').to_owned());
        Self { host: format!("{name}{port}"), with_port: format!("{name}:{own_port}"), namespace }
    }

    /// How well the key of an entry fits; none if it does not. The longest namespace is best, then a bare host, then
    /// the forms of older versions of docker.
    pub(super) fn fit(&self, key: &str) -> Option<usize> {
        let key = ConfigKey::read(key);
        if key.host != self.host && key.host != self.with_port {
            return None;
        }
        match (key.namespace, &self.namespace) {
            (None, _) => Some(usize::from(key.is_bare)),
            (Some(of), Some(own)) => {
                let rest = own.strip_prefix(of)?;
                (rest.is_empty() || rest.starts_with('/')).then_some(1 + of.len())
            }
            (Some(_), None) => None,
        }
    }

    /// Whether a key is for another part of this registry.
    pub(super) fn is_within(&self, key: &str) -> bool {
        let read = ConfigKey::read(key);
        read.namespace.is_some() && self.fit(key).is_none() && (read.host == self.host || read.host == self.with_port)
    }

    /// The server name that a `credsStore` is asked for, as `docker login` stored it.
    pub(super) fn for_store(&self) -> &str {
        if self.host == HUB_HOSTS[0] { HUB } else { &self.host }
    }
}

/// A key of `auths` or `credHelpers`.
struct ConfigKey<'a> {
    host: String,
    namespace: Option<&'a str>,
    /// A host and nothing else.
    is_bare: bool,
}

impl<'a> ConfigKey<'a> {
    fn read(key: &'a str) -> Self {
        let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let (host, path) = bare.unwrap_or(key).split_once('/').unwrap_or((bare.unwrap_or(key), ""));
        let path = path.trim_matches('/');
        // Docker ignores the path after a scheme, and has always written the version of the API there.
        let is_namespace = bare.is_none() && !["", "v1", "v2"].contains(&path);
        Self {
            host: canonical(host),
            namespace: is_namespace.then_some(path),
            is_bare: bare.is_none() && path.is_empty(),
        }
    }
}

fn canonical(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if HUB_HOSTS.contains(&&*host) { HUB_HOSTS[0].to_owned() } else { host }
}
