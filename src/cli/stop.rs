//! Ctrl-C, SIGTERM and SIGHUP: the first asks, a second Ctrl-C or SIGTERM insists.

use tokio::sync::mpsc;

use crate::app::Stop;

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Ctrl-C or SIGTERM: somebody wants an end.
    End,
    /// SIGHUP: the terminal went away.
    HangUp,
}

/// What was asked for so far.
#[derive(Debug, Default)]
struct Asked {
    safely: bool,
    by_somebody: bool,
}

impl Asked {
    /// What this call adds.
    ///
    /// A terminal that goes away hangs up more than once (the kernel does, and so does the shell), so that never
    /// insists; somebody who calls for an end twice does.
    fn hear(&mut self, call: Call) -> Option<Stop> {
        let again = std::mem::replace(&mut self.safely, true);
        match call {
            Call::End if std::mem::replace(&mut self.by_somebody, true) => Some(Stop::Now),
            Call::HangUp | Call::End => (!again).then_some(Stop::Safely),
        }
    }
}

/// Listens for as long as the process lives, from when this returns.
pub(super) fn listen() -> mpsc::Receiver<Stop> {
    let (tell, told) = mpsc::channel(4);
    // Where no handler can be set, signals do what they do without one; the cluster remembers the run all the same.
    if let Ok(mut signals) = Signals::listen() {
        tokio::spawn(async move {
            let mut asked = Asked::default();
            loop {
                let call = signals.next().await;
                if let Some(stop) = asked.hear(call)
                    && tell.send(stop).await.is_err()
                {
                    return;
                }
            }
        });
    }
    told
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if outlives_its_terminal() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    async fn next(&mut self) -> Call {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Call::End,
            _ = self.terminate.recv() => Call::End,
            _ = hang_up => Call::HangUp,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Call {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Call::End,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Whether SIGHUP was ignored when the process began: `nohup` asks for a run that outlives its terminal, and a handler
/// of ours would take that away. Only Linux tells; elsewhere such a run stops in good order, and goes on when asked to.
#[cfg(unix)]
fn outlives_its_terminal() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hang_up(&status))
}

/// The line `SigIgn` is a mask in hexadecimal digits; SIGHUP is signal 1, and so its lowest bit.
#[cfg(unix)]
fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(calls: &[Call]) -> Vec<Stop> {
        let mut asked = Asked::default();
        calls.iter().filter_map(|call| asked.hear(*call)).collect()
    }

    #[test]
    fn the_first_call_asks_and_the_second_insists() {
        assert_eq!(heard(&[Call::End]), [Stop::Safely]);
        assert_eq!(heard(&[Call::End, Call::End]), [Stop::Safely, Stop::Now]);
    }

    #[test]
    fn a_terminal_that_goes_away_asks_and_never_insists() {
        assert_eq!(heard(&[Call::HangUp, Call::HangUp]), [Stop::Safely]);
        assert_eq!(heard(&[Call::End, Call::HangUp]), [Stop::Safely]);
        assert_eq!(heard(&[Call::HangUp, Call::End, Call::End]), [Stop::Safely, Stop::Now]);
    }

    #[cfg(unix)]
    #[test]
    fn nohup_is_seen() {
        assert!(ignores_hang_up("Name:\tmngup\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n"));
        assert!(!ignores_hang_up("Name:\tmngup\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hang_up(""));
    }
}
