//! `-v`: what is asked of servers, on stderr.

use tracing_subscriber::EnvFilter;

/// Starts telling, as loud as `-v` was given.
///
/// The filter is fixed, and no variable opens it further: below these levels the HTTP and AWS crates write headers
/// and signed addresses, which are secrets.
pub(super) fn start(verbose: u8, color: bool) {
    let filter = match verbose {
        0 => return,
        1 => "off,mngup=info",
        2 => "warn,mngup=debug",
        3.. => "warn,mngup=trace,kube_runtime=info",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(color)
        // It would tell them on stderr, which is what cannot be written then, and panic.
        .log_internal_errors(false)
        .finish();
    // A second subscriber can only come from a caller that has set up its own: theirs is kept.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
