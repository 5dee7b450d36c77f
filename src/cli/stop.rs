//! Ctrl-C and SIGTERM: the first asks, the second insists.

use tokio::sync::mpsc;

use crate::app::Stop;

/// Listens for as long as the process lives.
pub(super) fn listen() -> mpsc::Receiver<Stop> {
    let (tell, told) = mpsc::channel(4);
    tokio::spawn(async move {
        let mut stop = Stop::Safely;
        loop {
            if signal().await.is_err() || tell.send(stop).await.is_err() {
                return;
            }
            stop = Stop::Now;
        }
    });
    told
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
