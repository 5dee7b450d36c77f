//! Whether a proxy stands between us and the API server.
//!
//! kube reads `HTTPS_PROXY` from the environment and holds `NO_PROXY` against the proxy's own address (5.0.0,
//! `config/file_loader.rs`), so a local server would be asked for through a corporate proxy. Here it is held against
//! the server.

use std::env;

use http::Uri;

/// The proxy of the environment for this server, if there is one.
pub(super) fn from_environment(server: &Uri) -> Option<Uri> {
    let read = |names: [&str; 2]| names.into_iter().find_map(|name| env::var(name).ok().filter(|v| !v.is_empty()));
    if server.scheme_str() != Some("https") {
        return None;
    }
    let proxy = read(["HTTPS_PROXY", "https_proxy"])?;
    let spared = read(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    if is_spared(server.host()?, &spared) { None } else { proxy.parse().ok() }
}

/// Whether `NO_PROXY` names this host: `*`, the host itself, or a domain it is in. Loopback is always spared.
fn is_spared(host: &str, spared: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    loopback
        || spared.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
            let domain = entry.trim_start_matches('*').trim_start_matches('.');
            domain.is_empty() || host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_held_against_the_server() {
        assert!(is_spared("127.0.0.1", ""));
        assert!(is_spared("[::1]", ""));
        assert!(is_spared("x.gr7.eu-west-1.eks.amazonaws.com", "example.com, .eks.amazonaws.com"));
        assert!(is_spared("eks.amazonaws.com", "eks.amazonaws.com"));
        assert!(!is_spared("noteks.amazonaws.com", "eks.amazonaws.com"));
        assert!(is_spared("10.0.0.1", "*"));
        assert!(!is_spared("10.0.0.1", ""));
    }
}
