//! Who waited for what, and how long: a pure fold of `Waiting` records.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::wording;
use crate::{
    domain::elapsed,
    engine::{
        event::{Event, Member, Record},
        waiting::WaitingOn,
    },
};

/// Who waited for what, and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    open: BTreeMap<String, BTreeMap<String, Open>>,
    over: BTreeMap<(String, String), Wait>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    since: Timestamp,
    blocks: bool,
}

/// One wait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait {
    /// How long, all together.
    pub took: Duration,
    /// Node or instance, by title.
    pub who: String,
    /// For what.
    pub what: String,
    /// Whether something stood in the way, beyond what every node takes its time for.
    pub blocks: bool,
}

impl Waits {
    /// All waits, the longest first; those that go on are counted up to `now`.
    #[must_use]
    pub fn all(&self, now: Timestamp) -> Vec<Wait> {
        let mut sum = self.over.clone();
        for (who, causes) in &self.open {
            for (what, open) in causes {
                add(&mut sum, who, what, open, now);
            }
        }
        let mut all: Vec<_> = sum.into_values().collect();
        all.sort_by(|a, b| b.took.cmp(&a.took).then_with(|| (&a.who, &a.what).cmp(&(&b.who, &b.what))));
        all
    }

    /// The longest wait for something that stood in the way.
    #[must_use]
    pub fn longest(&self, now: Timestamp) -> Option<Wait> {
        self.all(now).into_iter().find(|wait| wait.blocks && !wait.took.is_zero())
    }

    pub(super) fn record(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::Waiting { who, on, since, .. } => self.waiting(who, on, *since, at),
            Event::NodeDrained { node, .. }
            | Event::NodeReleased { node }
            | Event::NodeQuarantined { node }
            | Event::NodeCordoned { node, .. } => self.close(&format!("node/{node}"), at),
            Event::NodeChosen { member, .. }
            | Event::Terminating { member, .. }
            | Event::InstanceLeft { member, .. }
            | Event::Replaced { member, .. } => self.close(&member.title(), at),
            Event::NodeStuck { member, .. } => {
                if let Some(title) = member.as_ref().map(Member::title) {
                    self.close(&title, at);
                }
            }
            // An interrupted run waits for nothing; what it waited for after a resume is told again.
            Event::RunEnded { .. } | Event::RunStarted { .. } | Event::RunResumed { .. } => {
                for who in self.open.keys().cloned().collect::<Vec<_>>() {
                    self.close(&who, at);
                }
            }
            Event::Phase { .. }
            | Event::SurgeRequested { .. }
            | Event::SurgeUnavailable { .. }
            | Event::AzRebalance { .. }
            | Event::PodEvicted { .. }
            | Event::PodRefused { .. }
            | Event::PodDeleted { .. }
            | Event::PodGoesDown { .. }
            | Event::PodGone { .. }
            | Event::PodLandedBack { .. }
            | Event::TerminateUnknown { .. }
            | Event::Launched { .. }
            | Event::Joined { .. }
            | Event::Serves { .. }
            | Event::NodeUncordonedByOther { .. }
            | Event::ActFailed { .. }
            | Event::Diagnosed { .. }
            | Event::Warning { .. }
            | Event::StopRequested
            | Event::GivingBack { .. }
            | Event::Noted(_) => {}
        }
    }

    fn waiting(&mut self, who: &str, on: &[WaitingOn], since: Timestamp, at: Timestamp) {
        let causes: BTreeMap<_, _> = on.iter().map(|on| (wording::title(on), wording::blocks(on))).collect();
        let first_word = !self.open.contains_key(who);
        let open = self.open.entry(who.to_owned()).or_default();
        let ended: BTreeSet<_> = open.keys().filter(|what| !causes.contains_key(*what)).cloned().collect();
        for what in ended {
            if let Some(ended) = open.remove(&what) {
                add(&mut self.over, who, &what, &ended, at);
            }
        }
        for (what, blocks) in causes {
            // A cause that joins others began when it was told, not when the whole wait did.
            let since = if first_word { since.min(at) } else { at };
            open.entry(what).or_insert(Open { since, blocks });
        }
    }

    fn close(&mut self, who: &str, at: Timestamp) {
        for (what, open) in self.open.remove(who).unwrap_or_default() {
            add(&mut self.over, who, &what, &open, at);
        }
    }
}

fn add(sum: &mut BTreeMap<(String, String), Wait>, who: &str, what: &str, open: &Open, until: Timestamp) {
    let wait = sum.entry((who.to_owned(), what.to_owned())).or_insert_with(|| Wait {
        took: Duration::ZERO,
        who: who.to_owned(),
        what: what.to_owned(),
        blocks: open.blocks,
    });
    wait.took += elapsed(open.since, until);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::{Tale, at, budget, pod};

    #[test]
    fn a_wait_lasts_until_its_cause_is_no_longer_told_or_the_node_moves_on() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 3);
        let on_budget = || WaitingOn::Budget(Box::new(budget()));
        let stopping = || WaitingOn::PodsStopping { pods: vec![pod("cart-1")], due: None };
        tale.waits(20, 3, 10, vec![on_budget()], Some(3));
        tale.waits(70, 3, 10, vec![on_budget(), stopping()], Some(3));
        tale.waits(100, 3, 10, vec![stopping()], Some(1));
        tale.drained(130, 3, 3);
        let mut waits = Waits::default();
        for record in &tale.0 {
            waits.record(record);
        }
        let told: Vec<_> = waits.all(at(500)).into_iter().map(|wait| (wait.what, wait.took.as_secs())).collect();
        assert_eq!(told, [("pdb/shop/cart".to_owned(), 90), ("pods to stop".to_owned(), 60)]);
        assert_eq!(waits.longest(at(500)).map(|wait| wait.what), Some("pdb/shop/cart".to_owned()));
    }

    #[test]
    fn a_wait_that_goes_on_is_counted_up_to_now() {
        let mut tale = Tale::begin(3);
        tale.waits(20, 3, 10, vec![WaitingOn::Budget(Box::new(budget()))], Some(3));
        let mut waits = Waits::default();
        for record in &tale.0 {
            waits.record(record);
        }
        assert_eq!(waits.longest(at(70)).map(|wait| wait.took.as_secs()), Some(60));
    }
}
