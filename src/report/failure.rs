//! Why a run stopped: the failure's stable name, whom it holds, the arithmetic, and what to do about it.

use jiff::Timestamp;

use super::{commands::Commands, fit, names::Names, remedy, wording};
use crate::{
    domain::{PodRef, short},
    engine::{
        event::{HeldPod, Stuck},
        waiting::WaitingOn,
    },
};

/// Tells failures.
pub(super) struct Failures<'a> {
    /// How to say node names.
    pub(super) names: &'a Names,
    /// How to reach the group again.
    pub(super) commands: &'a Commands,
    /// Sentences are broken to fit it; whole where they go to a file that somebody searches.
    pub(super) width: Option<usize>,
    /// When the run ended.
    pub(super) now: Timestamp,
}

impl Failures<'_> {
    /// What happened to whom, then each cause with its remedy.
    pub(super) fn lines(&self, who: &str, why: &Stuck) -> Vec<String> {
        match why {
            Stuck::PodEviction { after, held } => {
                let pods = wording::count(u32::try_from(held.len()).unwrap_or(u32::MAX), "pod");
                let failure = format!("PodEvictionFailure: {who} still holds {pods} after {}", short(*after));
                let mut lines = self.hung(&failure);
                for (on, pods) in by_cause(held) {
                    lines.push(String::new());
                    lines.extend(self.block(on, &pods));
                }
                lines
            }
            Stuck::NodeCreation { after, on } => {
                let failure =
                    format!("NodeCreationFailure: no new node serves in the stead of {who} after {}", short(*after));
                let mut lines = self.hung(&failure);
                lines.push(String::new());
                lines.extend(self.block(on, &[]));
                lines
            }
            Stuck::Refused { refusal, .. } => {
                vec![format!("{who}: the server refuses: {}", self.names.shorten(&refusal.to_string()))]
            }
        }
    }

    /// One cause: what it is, whom it holds, why, and what to do about it.
    fn block(&self, on: &WaitingOn, pods: &[PodRef]) -> Vec<String> {
        let why = if let WaitingOn::Budget(view) = on {
            wording::arithmetic(view, self.names)
        } else {
            wording::cause(on, self.names, self.now)
        };
        let mut lines = vec![remedy::headline(on)];
        let mut row = |head: &str, texts: Vec<String>| {
            for (index, text) in texts.into_iter().enumerate() {
                lines.push(format!("  {:<5}  {text}", if index == 0 { head } else { "" }));
            }
        };
        row("holds", pods.iter().map(ToString::to_string).collect());
        row("why", self.fitted(&why));
        row("fix", remedy::commands(on, self.commands));
        lines
    }

    fn hung(&self, text: &str) -> Vec<String> {
        self.width.map_or_else(|| vec![text.to_owned()], |width| fit::hang(text, width))
    }

    /// A sentence beside a row's head.
    fn fitted(&self, text: &str) -> Vec<String> {
        match self.width {
            Some(width) => fit::wrap(text, width.saturating_sub(9), usize::MAX),
            None => vec![text.to_owned()],
        }
    }
}

/// Pods that the same thing holds, told together.
fn by_cause(held: &[HeldPod]) -> Vec<(&WaitingOn, Vec<PodRef>)> {
    let mut causes: Vec<(&WaitingOn, Vec<PodRef>)> = Vec::new();
    for HeldPod { pod, on } in held {
        match causes.iter_mut().find(|(known, _)| wording::title(known) == wording::title(on)) {
            Some((_, pods)) => pods.push(pod.clone()),
            None => causes.push((on, vec![pod.clone()])),
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::report::fixtures::{at, budget, never};

    #[test]
    fn pods_that_the_same_thing_holds_are_told_together() {
        let held = vec![
            HeldPod { pod: budget().pods[0].clone(), on: WaitingOn::Budget(Box::new(budget())) },
            HeldPod { pod: budget().pods[1].clone(), on: WaitingOn::Budget(Box::new(budget())) },
            HeldPod { pod: never().pods[0].clone(), on: WaitingOn::Unmanaged { pod: never().pods[0].clone() } },
        ];
        let commands = Commands::new(["-c", "prod", "-n", "apps"].map(str::to_owned).into());
        let failures = Failures { names: &Names::default(), commands: &commands, width: Some(80), now: at(904) };
        let lines = failures.lines("node/a", &Stuck::PodEviction { after: Duration::from_mins(15), held });
        assert_snapshot!(lines.join("\n"), @"
        PodEvictionFailure: node/a still holds 3 pods after 15m

        pdb/shop/cart allows no eviction now
          holds  pod/shop/cart-5f6c2
                 pod/shop/cart-8x2lq
          why    1 of 3 allowed out, cart-7d9f on ip-10-0-1-9.eu-west-1.compute.internal
                 not Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts)
          fix    kubectl -n shop describe pod/cart-7d9f   (why it is not Ready)
                 kubectl -n shop logs pod/cart-7d9f --previous

        pod/odd/ledger-5cf9-2lmzc has no controller
          holds  pod/odd/ledger-5cf9-2lmzc
          why    pod/odd/ledger-5cf9-2lmzc: no controller would bring it back, and
                 --delete-unmanaged was not given
          fix    kubectl -n odd delete pod/ledger-5cf9-2lmzc   (it does not come back)
                 mngup upgrade -c prod -n apps --delete-unmanaged   (the same for all of them)
        ");
    }
}
