//! Which eviction may be sent now: every budget has as many tokens as its status allows disruptions.

use std::{collections::BTreeMap, mem::discriminant, time::Duration};

use jiff::Timestamp;

use crate::domain::{Pdb, PdbRef, Pod, PodPhase, Refusal, Uid, UnhealthyPolicy, later};

/// After a refusal a budget is tried again when its status moves, or after this long in case a change was missed.
pub const BUDGET_SAFETY: Duration = Duration::from_secs(30);

/// Refusals that say nothing about a budget are tried again after this long, as kubectl does.
const PLAIN_RETRY: Duration = Duration::from_secs(5);

/// A webhook that says no may mean "not yet" (drain cleaners), or be down; ask less often.
const WEBHOOK_RETRY: Duration = Duration::from_secs(10);

/// What was sent, what came of it, and which budgets are closed for now.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    attempts: BTreeMap<Uid, Attempt>,
    /// What the server said last to each pod's eviction, and since when it says that: it is asked again and again.
    refusals: BTreeMap<Uid, (Refusal, Timestamp)>,
    /// Tokens spent since a budget had this revision: its status does not show them yet.
    spent: BTreeMap<PdbRef, (String, u32)>,
    closed: BTreeMap<PdbRef, Closed>,
}

/// One pod's eviction, as far as we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Sent; no answer yet.
    Sent {
        /// The budget that counts the pod.
        token: Option<Token>,
    },
    /// Accepted; the pod is on its way out.
    Accepted {
        /// When.
        at: Timestamp,
        /// Whether it was a deletion, past every budget.
        deleted: bool,
    },
    /// Refused.
    Refused {
        /// Not before then again.
        retry_at: Timestamp,
        /// Why.
        refusal: Refusal,
    },
}

/// The budget an eviction was sent under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Which.
    pub pdb: PdbRef,
    /// Its revision when the eviction was sent.
    pub revision: String,
    /// Whether a token of it is spent; pods that are not Ready may go without.
    pub spent: bool,
}

#[derive(Clone, Debug)]
struct Closed {
    revision: String,
    until: Timestamp,
}

/// Whether a pod's eviction may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now, under the budget that counts it if there is one.
    Now(Option<Token>),
    /// It was sent or accepted already.
    Underway,
    /// Not now.
    Held(Hold),
}

/// What holds a pod's eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The budget has no token left; the moment is when it is tried again without a change of its status.
    Budget(PdbRef, Option<Timestamp>),
    /// More than one budget counts it.
    TwoBudgets(Vec<PdbRef>),
    /// The server refused for another reason; again at that moment.
    Refusal(Refusal, Timestamp),
}

/// An accepted eviction that shows no effect for so long is sent again: the watch may have been cut, the reply forged.
const ACCEPTED_WITHOUT_EFFECT: Duration = Duration::from_mins(1);

impl Ledger {
    /// Whether this pod, counted by these budgets, may be evicted now.
    #[must_use]
    pub fn turn(&self, pod: &Pod, budgets: &[&Pdb], now: Timestamp) -> Turn {
        match self.attempts.get(&pod.id.uid) {
            Some(Attempt::Sent { .. }) => return Turn::Underway,
            Some(Attempt::Accepted { at, .. }) if later(*at, ACCEPTED_WITHOUT_EFFECT) > now => return Turn::Underway,
            Some(Attempt::Refused { retry_at, refusal }) if *retry_at > now && !is_budget(refusal) => {
                return Turn::Held(Hold::Refusal(refusal.clone(), *retry_at));
            }
            Some(Attempt::Accepted { .. } | Attempt::Refused { .. }) | None => {}
        }
        match budgets {
            _ if ignores_budgets(pod) => Turn::Now(None),
            [] => Turn::Now(None),
            [pdb] => {
                let spent = needs_token(pod, pdb);
                let closed = self.closed_until(pdb, now);
                if closed.is_none() && (!spent || self.tokens(pdb, now) > 0) {
                    Turn::Now(Some(Token { pdb: pdb.id.clone(), revision: pdb.revision.clone(), spent }))
                } else {
                    Turn::Held(Hold::Budget(pdb.id.clone(), closed))
                }
            }
            several => Turn::Held(Hold::TwoBudgets(several.iter().map(|pdb| pdb.id.clone()).collect())),
        }
    }

    /// How many evictions this budget allows now, less those that were sent and that its status does not show yet.
    ///
    /// One at a time is in flight for each budget: concurrent ones conflict over its status in the API server, which
    /// then tries again for up to ten seconds each.
    #[must_use]
    pub fn tokens(&self, pdb: &Pdb, now: Timestamp) -> u32 {
        if !pdb.is_observed() || self.closed_until(pdb, now).is_some() {
            return 0;
        }
        let in_flight = self.attempts.values().any(|attempt| match attempt {
            Attempt::Sent { token } => token.as_ref().is_some_and(|token| token.spent && token.pdb == pdb.id),
            Attempt::Accepted { .. } | Attempt::Refused { .. } => false,
        });
        if in_flight {
            return 0;
        }
        let unseen = self.spent.get(&pdb.id).filter(|(revision, _)| *revision == pdb.revision).map_or(0, |(_, n)| *n);
        u32::try_from(pdb.status.allowed).unwrap_or(0).saturating_sub(unseen)
    }

    /// Notes that an eviction was sent, and under which budget.
    pub fn sent(&mut self, pod: &Uid, token: Option<Token>) {
        self.attempts.insert(pod.clone(), Attempt::Sent { token });
    }

    /// Notes that a deletion was accepted.
    pub fn deleted(&mut self, pod: &Uid, at: Timestamp) {
        self.refusals.remove(pod);
        self.attempts.insert(pod.clone(), Attempt::Accepted { at, deleted: true });
    }

    /// Whether what was accepted was a deletion: there is nothing stronger to ask for.
    #[must_use]
    pub fn is_deleted(&self, pod: &Uid) -> bool {
        matches!(self.attempts.get(pod), Some(Attempt::Accepted { deleted: true, .. }))
    }

    /// Notes that it was accepted.
    pub fn accepted(&mut self, pod: &Uid, at: Timestamp) {
        self.refusals.remove(pod);
        let before = self.attempts.insert(pod.clone(), Attempt::Accepted { at, deleted: false });
        if let Some(Attempt::Sent { token: Some(Token { pdb, revision, spent: true }) }) = before {
            let entry = self.spent.entry(pdb).or_default();
            let count = if entry.0 == revision { entry.1 + 1 } else { 1 };
            *entry = (revision, count);
        }
    }

    /// Notes that it was refused; a budget that refused is closed until its status moves.
    pub fn refused(&mut self, pod: &Uid, refusal: &Refusal, now: Timestamp) {
        let sent = self.attempts.remove(pod);
        if let (Refusal::Budget { .. }, Some(Attempt::Sent { token: Some(token) })) = (refusal, sent) {
            self.closed.insert(token.pdb, Closed { revision: token.revision, until: later(now, BUDGET_SAFETY) });
        }
        let patience = match refusal {
            Refusal::Budget { .. } | Refusal::TwoBudgets => BUDGET_SAFETY,
            Refusal::Webhook { .. } | Refusal::NamespaceTerminating => WEBHOOK_RETRY,
            Refusal::Throttled { after } => after.unwrap_or(PLAIN_RETRY).max(Duration::from_secs(1)),
            Refusal::Forbidden { .. } | Refusal::Gone | Refusal::Conflict { .. } | Refusal::Failed { .. } => {
                PLAIN_RETRY
            }
        };
        self.remember(pod, refusal, now);
        let retry_at = later(now, patience);
        self.attempts.insert(pod.clone(), Attempt::Refused { retry_at, refusal: refusal.clone() });
    }

    /// Since when the server says so; a server that has too much to do says it in one way and then in another.
    fn remember(&mut self, pod: &Uid, refusal: &Refusal, now: Timestamp) {
        let is_same = |before: &Refusal| match (before.is_put_off(), refusal.is_put_off()) {
            (true, true) => true,
            (false, false) => discriminant(before) == discriminant(refusal),
            (true, false) | (false, true) => false,
        };
        let known = self.refusals.get(pod).filter(|(before, _)| is_same(before));
        let since = known.map_or(now, |(_, since)| *since);
        self.refusals.insert(pod.clone(), (refusal.clone(), since));
    }

    /// Notes that no answer came: looking will tell, so it is as if it had not been sent, after a pause.
    pub fn lost(&mut self, pod: &Uid, why: &str, now: Timestamp) {
        let refusal = Refusal::Failed { code: 0, message: why.to_owned() };
        self.remember(pod, &refusal, now);
        self.attempts.insert(pod.clone(), Attempt::Refused { retry_at: later(now, PLAIN_RETRY), refusal });
    }

    /// Forgets a pod that is gone.
    pub fn gone(&mut self, pod: &Uid) {
        self.refusals.remove(pod);
        self.attempts.remove(pod);
    }

    /// What is known of this pod's eviction.
    #[must_use]
    pub fn attempt(&self, pod: &Uid) -> Option<&Attempt> {
        self.attempts.get(pod)
    }

    /// What the server said last to this pod's eviction, and since when it says so.
    #[must_use]
    pub fn refusal(&self, pod: &Uid) -> Option<(&Refusal, Timestamp)> {
        self.refusals.get(pod).map(|(refusal, since)| (refusal, *since))
    }

    fn closed_until(&self, pdb: &Pdb, now: Timestamp) -> Option<Timestamp> {
        let closed = self.closed.get(&pdb.id)?;
        (closed.revision == pdb.revision && closed.until > now).then_some(closed.until)
    }
}

/// Whether the API server will ask this budget before it lets the pod go: pods that do not run are let go at once,
/// pods that are not Ready as the budget's `unhealthyPodEvictionPolicy` says.
#[must_use]
pub fn needs_token(pod: &Pod, pdb: &Pdb) -> bool {
    if ignores_budgets(pod) {
        return false;
    }
    if pod.ready {
        return true;
    }
    match pdb.unhealthy {
        UnhealthyPolicy::AlwaysAllow => false,
        UnhealthyPolicy::IfHealthyBudget => {
            !(pdb.status.current >= pdb.status.desired && pdb.status.desired > 0 && pdb.is_observed())
        }
    }
}

/// Whether the API server lets the pod go without a look at any budget, be there none or several (`eviction.go`,
/// `canIgnorePDB`).
#[must_use]
pub fn ignores_budgets(pod: &Pod) -> bool {
    let runs = matches!(pod.phase, PodPhase::Running | PodPhase::Unknown);
    !runs || pod.deletion.is_some()
}

fn is_budget(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Budget { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_puts_off_says_so_since_its_first_word_however_it_says_it() {
        let at = |seconds: u64| later(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds));
        let pod = Uid::from("u1");
        let mut ledger = Ledger::default();
        let failed = |code| Refusal::Failed { code, message: "no".to_owned() };
        ledger.refused(&pod, &Refusal::Throttled { after: None }, at(1));
        ledger.refused(&pod, &failed(503), at(2));
        ledger.lost(&pod, "no answer", at(3));
        assert_eq!(ledger.refusal(&pod), Some((&Refusal::Failed { code: 0, message: "no answer".to_owned() }, at(1))));
        // It judged it: that is another word.
        ledger.refused(&pod, &failed(500), at(4));
        assert_eq!(ledger.refusal(&pod), Some((&failed(500), at(4))));
        ledger.refused(&pod, &Refusal::Throttled { after: None }, at(5));
        assert_eq!(ledger.refusal(&pod).map(|(_, since)| since), Some(at(5)));
        ledger.accepted(&pod, at(6));
        assert_eq!(ledger.refusal(&pod), None);
    }
}
