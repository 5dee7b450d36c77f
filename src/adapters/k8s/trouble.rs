//! Patience with a server that refuses or does not answer: how long until the next attempt, and when it is the last.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::answer::Failure;
use crate::ports::PortError;

/// How long to wait before the next attempt, and when a refusal counts as final.
#[derive(Default)]
pub(super) struct Trouble {
    attempts: u32,
    /// Refusals of any kind in a row that came as answers, not as broken connections.
    answers: u32,
    refusals: u32,
    refused_since: Option<Instant>,
    /// Answers since the last whole list that could not be read; what works in between is no end of that.
    unread: u32,
    worked: bool,
}

impl Trouble {
    const SHORTEST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(5);
    /// A server that starts up refuses what it allows a moment later, while it reads its roles.
    const GRACE: Duration = Duration::from_secs(30);
    /// A proxy on the way may garble an answer or two. An object that this mngup cannot read stays so: it could be the
    /// budget or the pod that matters, so the view ends, by its name, rather than to go on without it. Three seconds.
    const UNREAD_MOST: u32 = 5;

    /// Whether something could not be read since the last whole list.
    pub(super) fn has_unread(&self) -> bool {
        self.unread > 0
    }

    /// A whole list was read.
    pub(super) fn all_read(&mut self) {
        self.unread = 0;
    }

    /// Whether the server answers again and again, and never with what was asked for.
    pub(super) fn is_answered(&self) -> bool {
        self.answers > 3
    }

    /// It worked.
    pub(super) fn over(&mut self) {
        *self = Self { worked: true, unread: self.unread, ..Self::default() };
    }

    /// Waits before another attempt, or gives up when rights or credentials are missing for good.
    pub(super) async fn wait(
        &mut self,
        failure: Failure,
        server: &str,
        verb: &str,
        what: &str,
    ) -> Result<(), PortError> {
        self.attempts += 1;
        self.answers = if failure.code().is_some() { self.answers + 1 } else { 0 };
        if failure.is_refused() {
            self.refusals += 1;
            let since = *self.refused_since.get_or_insert_with(Instant::now);
            if if self.worked { since.elapsed() >= Self::GRACE } else { self.refusals >= 3 } {
                return Err(failure.port(server, &format!("{verb} {what}")));
            }
        } else {
            self.refusals = 0;
            self.refused_since = None;
        }
        if failure.is_garbled() {
            self.unread += 1;
            if self.unread >= Self::UNREAD_MOST {
                return Err(failure.port(server, &format!("{verb} {what}")));
            }
        }
        if self.attempts == 3 {
            tracing::warn!(server, reason = failure.line(), "cannot {verb} {what}, trying on");
        } else {
            tracing::debug!(server, reason = failure.line(), attempt = self.attempts, "cannot {verb} {what}");
        }
        let doubled = Self::SHORTEST.saturating_mul(1 << (self.attempts - 1).min(8));
        sleep(doubled.min(Self::LONGEST)).await;
        Ok(())
    }
}
