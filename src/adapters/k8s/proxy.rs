//! Whether a proxy stands between us and the API server.
//!
//! kube reads `HTTPS_PROXY` from the environment and holds `NO_PROXY` against the proxy's own address (5.0.0,
//! `config/file_loader.rs`), so a local server would be asked for through a corporate proxy. Here it is held against
//! the server.

use std::env;

use http::Uri;

use crate::ports::PortError;

/// The proxy of the environment for this server, if there is one.
///
/// # Errors
/// When the variable names none: going past a proxy that was meant would look like a server that does not answer.
pub(super) fn from_environment(server: &Uri) -> Result<Option<Uri>, PortError> {
    let (Some("https"), Some(host), Some((name, value))) = (server.scheme_str(), server.host(), variable()) else {
        return Ok(None);
    };
    let spared = read(["NO_PROXY", "no_proxy"]).map(|(_, value)| value).unwrap_or_default();
    if is_spared(host, &spared) {
        return Ok(None);
    }
    parse(&value).map(Some).ok_or_else(|| unusable(name))
}

/// What is wrong where kube has found the proxy of the environment to be none.
pub(super) fn broken() -> PortError {
    unusable(variable().map_or("HTTPS_PROXY", |(name, _)| name))
}

fn variable() -> Option<(&'static str, String)> {
    read(["HTTPS_PROXY", "https_proxy"])
}

fn read(names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, env::var(name).ok().filter(|value| !value.is_empty())?)))
}

/// `http://HOST:PORT`, or without the scheme, which curl and Go take for the same.
fn parse(value: &str) -> Option<Uri> {
    let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let proxy: Uri = url.parse().ok()?;
    let (authority, host) = (proxy.authority()?.as_str(), proxy.host()?);
    let is_one = proxy.scheme_str() == Some("http")
        && !host.is_empty()
        // `Uri` lets a port pass that is no number.
        && (proxy.port_u16().is_some() || authority.ends_with(host))
        && matches!(proxy.path(), "" | "/")
        && proxy.query().is_none();
    is_one.then_some(proxy)
}

/// Without the value: it may hold a password.
fn unusable(name: &str) -> PortError {
    PortError::Malformed {
        what: format!("the variable {name}"),
        message: "names no proxy that mngup can use, http://HOST:PORT is wanted; correct it, or name the API server's \
                  host in NO_PROXY"
            .to_owned(),
    }
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
    #[test]
    fn a_proxy_is_read_as_curl_does_or_not_at_all() {
        for value in ["http://proxy.corp:3128", "http://proxy.corp:3128/", "proxy.corp:3128"] {
            let proxy = parse(value).unwrap();
            assert_eq!((proxy.host(), proxy.port_u16()), (Some("proxy.corp"), Some(3128)), "{value}");
        }
        let none =
            ["http//proxy:3128", "http:/proxy:3128", "http://", "http://pro xy", "socks5://proxy:1080", "proxy:port"];
        for value in none {
            assert_eq!(parse(value), None, "{value}");
        }
        assert_eq!(
            unusable("https_proxy").to_string(),
            "the variable https_proxy: names no proxy that mngup can use, http://HOST:PORT is wanted; correct it, or name \
             the API server's host in NO_PROXY"
        );
    }
}
