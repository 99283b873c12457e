//! Where AWS is called, if not at AWS's own addresses.

use std::{collections::BTreeSet, net::IpAddr};

use super::hidden::hide;

/// The variables that set them (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
const VARIABLES: [&str; 4] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_ECR",
    "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
    "AWS_ENDPOINT_URL_STS",
];

/// Whether these variables say where AWS is. The SDK passes over what is no address, and calls AWS itself.
///
/// # Errors
/// Names the variable that does not.
pub fn check() -> Result<(), String> {
    let set = VARIABLES.map(|name| (name, std::env::var(name).unwrap_or_default()));
    let wrong = set
        .iter()
        .find(|(_, url)| !url.is_empty() && !is_address(url));
    wrong.map_or(Ok(()), |(name, url)| {
        let url = hide(url);
        Err(format!(
            "{name} is no address — give it as https://host, or unset it: {url:?}"
        ))
    })
}

/// Whether a text is where something is asked by HTTP.
#[must_use]
pub fn is_address(url: &str) -> bool {
    let uri = url.parse::<http::Uri>().ok();
    uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|it| !it.is_empty())
    })
}

/// Warns of addresses at which everybody on the way could read and change what is said.
pub(super) fn warn(of_all: Option<&str>) {
    let set = VARIABLES.map(|name| (name, std::env::var(name).ok()));
    let of_file = ("endpoint_url", of_all.map(ToOwned::to_owned));
    let mut warned = BTreeSet::new();
    for (name, url) in set.into_iter().chain([of_file]) {
        let open = url.filter(|url| is_open(url) && warned.insert(url.clone()));
        if let Some(url) = open {
            tracing::warn!(
                name,
                url = hide(&url),
                "calls to AWS are neither secret nor proved to reach it: use https://, or http:// to this \
                 machine alone"
            );
        }
    }
}

/// Whether an address is plain HTTP and leaves this machine.
fn is_open(url: &str) -> bool {
    let Ok(uri) = url.trim().parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_own = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    uri.scheme_str() == Some("http") && !is_own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_by_http() {
        for url in [
            "https://ecr.example.com",
            "http://127.0.0.1:4566/",
            "http://[::1]:80",
            "https://me:pa55@host/a",
        ] {
            assert!(is_address(url), "{url}");
        }
        for url in [
            "",
            "not a url",
            "ecr.example.com",
            "ecr.example.com:443",
            "ftp://x",
            "https://",
            "http:///a",
            "file:///etc/passwd",
            " https://x",
        ] {
            assert!(!is_address(url), "{url}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for url in [
            "http://ecr.example.com",
            "http://10.0.0.1:4566/",
            "HTTP://localhost.example.com",
            "http://[fd00::1]:80",
        ] {
            assert!(is_open(url), "{url}");
        }
        for url in [
            "https://ecr.example.com",
            "http://127.0.0.1:4566",
            "http://127.1.2.3",
            "http://localhost:80",
            "http://[::1]:80",
            "",
            "no address",
        ] {
            assert!(!is_open(url), "{url}");
        }
    }
}
