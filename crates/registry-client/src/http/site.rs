//! Which hosts belong together: hosts of one registrable domain, unless customers of a provider share it, and a few
//! known pairs. Pure: compares names and resolves none.
//!
//! The public suffix list says below which names anyone may register a name. Cloud providers enter their names
//! themselves, and many have not: the list asks them to prove that the name is theirs
//! (<https://github.com/publicsuffix/list/wiki/Guidelines>), so that others cannot do it for them
//! (<https://github.com/publicsuffix/list/issues/1137> has been open since 2020).

use url::{Host, Url};

/// Names below which customers of a provider have names, though the public suffix list does not say so, or says so for
/// a part of them only. Hosts below these names share nothing but the provider.
///
/// How to check an entry: the provider's documentation promises a customer a host name below it that the customer
/// chooses, or on which the customer's own program answers.
const SHARED: &[&str] = &[
    // Azure: `NAME.azurecr.io` is a registry, `APP.ENVIRONMENT.REGION.azurecontainerapps.io` and
    // `LABEL.REGION.cloudapp.azure.com` are programs of customers (publicsuffix/list#3277, #1137), `*.windows.net` is storage and
    // databases (learn.microsoft.com/azure/security/fundamentals/azure-domains); the same in the clouds of governments.
    "azurecr.io",
    "azurecr.us",
    "azurecr.cn",
    "azurecontainerapps.io",
    "azurecontainerapps.us",
    "azurecontainerapps.cn",
    "cloudapp.azure.com",
    "aksapp.io",
    "azmk8s.io",
    "devtunnels.ms",
    "windows.net",
    "usgovcloudapi.net",
    "chinacloudapi.cn",
    // AWS: registries `ACCOUNT.dkr.ecr.REGION`, load balancers, buckets, functions; the list has some of them
    // (docs.aws.amazon.com/general/latest/gr/rande.html).
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "on.aws",
    // Google: `ADDRESS.bc.googleusercontent.com` is any virtual machine (cloud.google.com/compute/docs/instances/create-ptr-record).
    "googleusercontent.com",
    "cloudshell.dev",
    // Alibaba: buckets `NAME.oss-REGION`, functions, registries `NAME-registry.REGION.cr`
    // (alibabacloud.com/help/en/acr/user-guide/configure-access-credentials).
    "aliyuncs.com",
    // Huawei: buckets `NAME.obs.REGION`, functions (support.huaweicloud.com/intl/en-us/usermanual-obs/).
    "myhuaweicloud.com",
    "myhuaweicloud.eu",
    // Tencent: registries `NAME.tencentcloudcr.com`, buckets (tencentcloud.com/document/product/1051, /436).
    "tencentcloudcr.com",
    "myqcloud.com",
    "tencentcos.cn",
    // Volcano, Baidu: registries `NAME-REGION.cr.volces.com`, `NAME.cnc.REGION.baidubce.com`; buckets.
    "volces.com",
    "ivolces.com",
    "baidubce.com",
    "bcebos.com",
    // Oracle: buckets and databases of tenancies (docs.oracle.com/iaas/Content/Object/Tasks/s3compatibleapi.htm).
    "oraclecloud.com",
    // IBM: clusters' ingress and Code Engine (cloud.ibm.com/docs/containers?topic=containers-ingress-domains).
    "appdomain.cloud",
    "mybluemix.net",
    // Scaleway, OVH, Exoscale, UpCloud, Civo, Infomaniak, STACKIT, Hetzner: machines, clusters, load balancers, buckets.
    "scw.cloud",
    "ovh.net",
    "exo.io",
    "upcloudlb.com",
    "upcloudobjects.com",
    "civo.com",
    "infomaniak.cloud",
    "stackit.cloud",
    "your-server.de",
    "contaboserver.net",
    "linodeusercontent.com",
    "vultrusercontent.com",
    // Clouds of storage: `BUCKET.s3.REGION`, or `ACCOUNT.r2`.
    "wasabisys.com",
    "backblazeb2.com",
    "cloudflarestorage.com",
    // Artifactory as a service: `COMPANY.jfrog.io` (jfrog.com/help, "Use Artifactory as a Docker registry").
    "jfrog.io",
    // OpenShift as a service: `ROUTE-PROJECT.apps.CLUSTER.ID.p1`; the sandbox has many customers on one cluster
    // (docs.redhat.com, "ROSA: DNS of a cluster").
    "openshiftapps.com",
    // Platforms that give each program a name.
    "koyeb.app",
    "modal.run",
    "okteto.dev",
    "okteto.net",
    "rlwy.net",
    "herokudns.com",
    "herokuspace.com",
    // Workplaces in the cloud: `PORT-WORKSPACE.REGION` is any program that listens there.
    "github.dev",
    "gitpod.dev",
    "gitpod.io",
    "killercoda.com",
    "play-with-docker.com",
    // Tunnels: a name for any server at the other end.
    "bore.pub",
    "lhr.life",
    "lhr.rocks",
    "loca.lt",
    "localhost.run",
    "pinggy.io",
    "pinggy.link",
    "serveo.net",
    "serveousercontent.com",
    "tunnelto.dev",
    "zrok.io",
    // Names that contain the address that they lead to, or that lead to this machine: anyone can use them (nip.io,
    // sslip.io).
    "backname.io",
    "lacolhost.com",
    "local-ip.co",
    "local-ip.sh",
    "localtest.me",
    "lvh.me",
    "nip.io",
    "sslip.io",
    "traefik.me",
    "vcap.me",
    "xip.io",
    "xip.name",
    // Dynamic DNS that the list does not have: a name for each person who signs up.
    "mooo.com",
    "quickconnect.to",
    "ydns.eu",
];

/// Registries with a token service on another domain: the registry's host, and the realm's. `*` is one label. `REGION`
/// is one that names a region (`cn-hangzhou`), the same in both if both have it. Docker Hub (`registry-1.docker.io` →
/// `auth.docker.io`), Digital Ocean (`registry.digitalocean.com` → `api.digitalocean.com`), GitLab and Red Hat's
/// `registry.connect.redhat.com` need no entry: same domain. ECR, ACR, Huawei's SWR, Oracle, IBM, GHCR and Quay are
/// their own token services.
const KNOWN_PAIRS: &[(&str, &str)] = &[
    // Docker Hub under its website's name.
    ("registry.hub.docker.com", "auth.docker.io"),
    // Red Hat until 2025; now it is `registry.redhat.io` itself.
    ("registry.redhat.io", "sso.redhat.com"),
    ("registry.access.redhat.com", "sso.redhat.com"),
    // NVIDIA NGC: beside `nvcr.io/proxy_auth`, for its client.
    ("nvcr.io", "authn.nvidia.com"),
    // Scaleway: `Bearer realm="https://api.scaleway.com/registry-internal/v1/regions/fr-par/tokens"`.
    ("rg.REGION.scw.cloud", "api.scaleway.com"),
    // Alibaba: personal and enterprise editions, from outside and from a VPC; Zhangjiakou alone writes a hyphen
    // (alibabacloud.com/help, "ACK One: addresses that a node reaches").
    ("registry.aliyuncs.com", "dockerauth.aliyuncs.com"),
    ("registry.REGION.aliyuncs.com", "dockerauth.REGION.aliyuncs.com"),
    ("registry-vpc.REGION.aliyuncs.com", "dockerauth-vpc.REGION.aliyuncs.com"),
    ("registry-intl.REGION.aliyuncs.com", "dockerauth.REGION.aliyuncs.com"),
    ("*.REGION.cr.aliyuncs.com", "dockerauth.REGION.aliyuncs.com"),
    ("*.REGION.cr.aliyuncs.com", "dockerauth-ee.REGION.aliyuncs.com"),
    ("*.REGION.cr.aliyuncs.com", "dockerauth-vpc.REGION.aliyuncs.com"),
    ("*.REGION.cr.aliyuncs.com", "dockerauth-ee-vpc.REGION.aliyuncs.com"),
    ("*.REGION.personal.cr.aliyuncs.com", "dockerauth.REGION.aliyuncs.com"),
    ("*.REGION.personal.cr.aliyuncs.com", "dockerauth-vpc.REGION.aliyuncs.com"),
    ("registry.cn-zhangjiakou.aliyuncs.com", "dockerauth-cn-zhangjiakou.aliyuncs.com"),
    ("*.cn-zhangjiakou.cr.aliyuncs.com", "dockerauth-cn-zhangjiakou.aliyuncs.com"),
];

/// Whether two hosts have the same owner by their names: the same registrable domain, if customers do not share it.
/// Unknown suffixes (`cluster.local`, `lan`) never match: anyone in such a network may have a name there.
pub(crate) fn same_site(a: &Host<&str>, b: &Host<&str>) -> bool {
    let (Host::Domain(a), Host::Domain(b)) = (a, b) else { return false };
    let known = psl::suffix(a.as_bytes()).is_some_and(|suffix| suffix.is_known());
    let Some(domain) = psl::domain_str(a).filter(|_| known) else { return false };
    psl::domain_str(b) == Some(domain) && !is_shared(a) && !is_shared(b)
}

/// Whether customers of a provider have names beside this one.
fn is_shared(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_within =
        |suffix: &&str| host.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    SHARED.iter().any(is_within)
}

/// Whether this realm is known to belong to this registry.
pub(crate) fn is_known_pair(realm: &Url, registry: &Url) -> bool {
    let (Some(Host::Domain(realm)), Some(Host::Domain(registry))) = (realm.host(), registry.host()) else {
        return false;
    };
    KNOWN_PAIRS.iter().any(|(from, to)| {
        let (mut of_registry, mut of_realm) = (None, None);
        let fits = fits(registry, from, &mut of_registry) && fits(realm, to, &mut of_realm);
        fits && (of_realm.is_none() || of_realm == of_registry)
    })
}

/// Whether a host matches the pattern; notes its region.
fn fits<'h>(host: &'h str, form: &str, region: &mut Option<&'h str>) -> bool {
    let (mut labels, mut forms) = (host.split('.'), form.split('.'));
    loop {
        match (labels.next(), forms.next()) {
            (None, None) => return true,
            (Some(label), Some("REGION")) if is_region(label) => *region = Some(label),
            (Some(label), Some(form)) if form == "*" || form == label => {}
            _ => return false,
        }
    }
}

/// `cn-hangzhou`, `fr-par`, `us-west-1`: two letters of a country or continent, and a place. The endpoint of a bucket
/// (`oss-cn-hangzhou`) does not match.
fn is_region(label: &str) -> bool {
    let mut parts = label.split('-');
    let is_short = parts.next().is_some_and(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_lowercase()));
    let mut parts = parts.peekable();
    is_short && parts.peek().is_some() && parts.all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shared_suffix_is_needed_and_written_once() {
        for (at, suffix) in SHARED.iter().enumerate() {
            assert!(!SHARED[..at].contains(suffix), "{suffix} stands here twice");
            assert_eq!(*suffix, suffix.to_ascii_lowercase());
            // If the public suffix list has the name, the entry can be removed.
            let is_listed =
                psl::suffix_str(suffix) == Some(suffix) && psl::suffix_str(&format!("a.b.{suffix}")) == Some(suffix);
            assert!(!is_listed, "{suffix} is a public suffix by now");
            let (a, b) = (format!("a.{suffix}"), format!("b.{suffix}"));
            assert!(!same_site(&Host::Domain(&a), &Host::Domain(&b)), "{suffix}");
            let (a, b) = (format!("a.x.y.{suffix}"), format!("b.x.y.{suffix}"));
            assert!(!same_site(&Host::Domain(&a), &Host::Domain(&b)), "{suffix}");
        }
    }

    #[test]
    fn a_name_that_only_ends_like_a_shared_suffix_is_its_owners() {
        assert!(same_site(&Host::Domain("a.notjfrog.io"), &Host::Domain("b.notjfrog.io")));
        assert!(same_site(&Host::Domain("login.azure.com"), &Host::Domain("registry.azure.com")));
    }

    #[test]
    fn a_region_is_no_bucket() {
        for region in ["cn-hangzhou", "fr-par", "us-west-1", "me-central-1", "cn-north-2-gov-1"] {
            assert!(is_region(region), "{region}");
        }
        for other in ["oss-cn-hangzhou", "cn", "cn-", "", "c1-x", "s3", "-x", "CN-x"] {
            assert!(!is_region(other), "{other}");
        }
    }
}
