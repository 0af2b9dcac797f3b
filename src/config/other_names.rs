//! Keys and words of other programs: those that are read, those that lead to ours, and those that have no place here.

use yaml_sections::{Checked, Section};

use crate::registry::RegistryKind;

/// Names that forms of other programs have for our keys.
pub(super) const THEIR_NAMES: [(&str, &str); 7] = [
    ("registry_type", "kind"),
    ("auth_scope", "scope"),
    ("auth_service", "service"),
    ("max_repos", "max_repositories"),
    ("monitored_repos", "monitored_repositories"),
    ("rate_limit", "requests_per_second"),
    ("type", "kind"),
];
/// Names that forms of other programs have for kinds. `None`: the answers tell the kind.
pub(super) const THEIR_KINDS: [(&str, Option<RegistryKind>); 10] = [
    ("Quay.io", Some(RegistryKind::Quay)),
    ("Docker Hub", Some(RegistryKind::DockerHub)),
    ("Amazon ECR", Some(RegistryKind::Ecr)),
    ("Azure ACR", Some(RegistryKind::Acr)),
    ("Forgejo", Some(RegistryKind::Gitea)),
    ("Generic Registry", None),
    ("generic", None),
    ("Google GCR", None),
    ("gcr", None),
    ("Auto-detect", None),
];

/// Names that people expect for keys of a registry.
pub(super) const EXPECTED_NAMES: [(&str, &str); 23] = [
    ("address", "url"),
    ("host", "url"),
    ("registry", "url"),
    ("endpoint", "url"),
    ("server", "url"),
    ("cron", "schedule"),
    ("interval", "schedule"),
    ("tz", "time_zone"),
    ("zone", "time_zone"),
    ("login", "auth"),
    ("credentials", "auth"),
    ("filter", "include"),
    ("insecure", "insecure_tls"),
    ("insecure_skip_verify", "insecure_tls"),
    ("skip_tls_verify", "insecure_tls"),
    ("tls_verify", "insecure_tls"),
    ("verify_tls", "insecure_tls"),
    ("verify_ssl", "insecure_tls"),
    ("ssl_verify", "insecure_tls"),
    ("tlsverify", "insecure_tls"),
    ("cert_file", "client_cert_file"),
    ("ca_cert", "ca_file"),
    ("cacert", "ca_file"),
];

/// Reports keys of other programs whose purpose has another place here.
pub(super) fn refuse_elsewhere(section: &mut Section<'_>) -> Checked<()> {
    let proxy = "stocktake reads the environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY";
    let refused = [
        section.refuse("enabled", "`enabled` is not a setting", "write `schedule: off`, or remove the registry"),
        section.refuse("disabled", "`disabled` is not a setting", "write `schedule: off`, or remove the registry"),
        section.refuse("proxy", "`proxy` is not a setting", proxy),
        section.refuse("http_proxy", "`http_proxy` is not a setting", proxy),
        section.refuse("https_proxy", "`https_proxy` is not a setting", proxy),
    ];
    refused.into_iter().collect()
}
