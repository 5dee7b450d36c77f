//! Waits in lines of their own, where no bars show them: on change, and once a minute while nothing changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    codes,
    progress::{Progress, is_of_a_node},
    why, wording,
};
use crate::{
    domain::{self, PodRef, elapsed, short},
    engine::waiting::WaitingOn,
};

/// How often a wait is repeated while nothing about it changes.
const REPEAT: Duration = Duration::from_mins(1);

/// What passes sooner is no block: pods that share a budget take turns within seconds.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// A webhook is given 30 seconds at most (`timeoutSeconds`), so an eviction that is asked for again is answered by then.
const ANSWERED: Duration = Duration::from_secs(35);

/// What every node takes its time for is worth a line when it takes longer: to boot and to join takes a minute or two.
const SLOW: Duration = Duration::from_mins(2);

/// Who waits for what, and what was said of it.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    /// Since when somebody is known to wait for something, and until when at least.
    seen: BTreeMap<(String, Cause), (Timestamp, Timestamp)>,
    said: BTreeMap<Cause, Said>,
}

/// A cause as far as its change is news: counts, seconds and names of pods are none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    title: String,
    blocks: bool,
    needs_somebody: bool,
    /// It is asked again and again, and no wait in between while nobody has answered.
    asked_again: bool,
}

/// What was last said of a cause.
#[derive(Debug)]
struct Said {
    at: Timestamp,
    /// Of whom it was said since it was last repeated.
    whom: BTreeSet<String>,
    /// What was found at its bottom by then.
    found: BTreeSet<domain::Cause>,
}

/// Somebody who waits for something.
struct Wait<'a> {
    who: String,
    on: &'a WaitingOn,
    cause: Cause,
    /// `3m12s of 15m`
    clock: String,
    pods_left: Option<u32>,
    /// What was found at its bottom.
    found: BTreeSet<domain::Cause>,
}

impl Said {
    fn new(at: Timestamp) -> Self {
        Self { at, whom: BTreeSet::new(), found: BTreeSet::new() }
    }
}

impl Cause {
    fn of(on: &WaitingOn) -> Self {
        Self {
            title: wording::title(on),
            blocks: wording::blocks(on),
            needs_somebody: wording::needs_somebody(on),
            asked_again: matches!(on, WaitingOn::Refused { .. }),
        }
    }

    fn patience(&self) -> Duration {
        if self.blocks { SOON } else { SLOW }
    }
}

impl Blocked {
    /// What is worth a line at this moment: each cause once, with all that wait for it.
    pub(super) fn due(&mut self, progress: &Progress, now: Timestamp) -> Vec<String> {
        let waits = waits(progress, now);
        let open: BTreeSet<_> = waits.iter().map(|wait| (wait.who.clone(), wait.cause.clone())).collect();
        let is_asked = |cause: &Cause, last: Timestamp| cause.asked_again && elapsed(last, now) < ANSWERED;
        self.seen.retain(|wait, (_, last)| open.contains(wait) || is_asked(&wait.1, *last));
        for wait in open {
            self.seen.entry(wait).or_insert((now, now)).1 = now;
        }
        let causes: BTreeSet<_> =
            waits.iter().filter(|wait| self.is_worth(wait, now)).map(|wait| wait.cause.clone()).collect();
        let mut lines = Vec::new();
        for cause in causes {
            // Whoever came a moment later is told with the others, and not with the same words after them.
            let of: Vec<_> = waits.iter().filter(|wait| wait.cause == cause).collect();
            lines.extend(told(&of, progress, now));
            let said = self.said.entry(cause).or_insert_with(|| Said::new(now));
            if elapsed(said.at, now) >= REPEAT {
                said.whom.clear();
            }
            said.at = now;
            said.found = of.iter().flat_map(|wait| wait.found.clone()).collect();
            said.whom.extend(of.into_iter().map(|wait| wait.who.clone()));
        }
        lines
    }

    /// Whether it lasts, and was not said within a minute: who waits for the same again within that time is no news, what
    /// lies at its bottom is.
    fn is_worth(&self, wait: &Wait<'_>, now: Timestamp) -> bool {
        let since = self.seen.get(&(wait.who.clone(), wait.cause.clone()));
        // What somebody must act on is no matter of time any more.
        let patience = if wait.found.is_empty() { wait.cause.patience() } else { SOON };
        let lasts = since.is_some_and(|(since, _)| elapsed(*since, now) >= patience);
        let said = self.said.get(&wait.cause);
        let fresh = said.is_none_or(|said| {
            elapsed(said.at, now) >= REPEAT || !said.whom.contains(&wait.who) || !wait.found.is_subset(&said.found)
        });
        lasts && fresh
    }
}

/// Everybody's waits, the nodes' in the order of their turns.
fn waits(progress: &Progress, now: Timestamp) -> Vec<Wait<'_>> {
    let clock = |since: Timestamp, until: Option<Timestamp>| {
        let of = until.map_or_else(String::new, |until| format!(" of {}", short(elapsed(since, until))));
        format!("{}{of}", short(elapsed(since, now)))
    };
    let nodes = progress.in_flight.iter().flat_map(|flight| {
        let on = flight.waiting.iter().flat_map(|waiting| &waiting.on);
        on.map(move |on| Wait {
            who: flight.member.title(),
            on,
            cause: Cause::of(on),
            clock: clock(flight.since, flight.until()),
            pods_left: flight.pods_left,
            found: codes::found(progress.diagnosis.as_ref(), on),
        })
    });
    let others = progress.waiting.iter().flat_map(|(who, waiting)| {
        waiting.on.iter().map(move |on| Wait {
            who: titled(who, progress),
            on,
            cause: Cause::of(on),
            clock: clock(waiting.since, waiting.until),
            pods_left: None,
            found: codes::found(progress.diagnosis.as_ref(), on),
        })
    });
    nodes.chain(others).collect()
}

/// An extra node by its name, all else as the group.
fn titled(who: &str, progress: &Progress) -> String {
    let group = || progress.history.group.as_ref().map_or_else(|| "the group".to_owned(), ToString::to_string);
    if is_of_a_node(who) { who.to_owned() } else { group() }
}

/// One line for all that wait for the very same thing, each whole in itself so that it can be searched for.
fn told(waits: &[&Wait<'_>], progress: &Progress, now: Timestamp) -> Vec<String> {
    let mut groups: Vec<(String, Vec<&Wait<'_>>)> = Vec::new();
    for wait in waits {
        let what = why::cause_for_all(wait.on, &progress.names, now);
        let what = codes::with_codes(progress.diagnosis.as_ref(), wait.on, what, &progress.names);
        match groups.iter_mut().find(|(known, group)| *known == what || is_one(group, wait)) {
            Some((_, group)) => group.push(wait),
            None => groups.push((what, vec![wait])),
        }
    }
    groups.into_iter().map(|(what, group)| line(&what, &group)).collect()
}

/// `node/a waits 3m12s of 15m (1 pod left), node/b 5s of 15m (2 pods left): pdb/shop/cart: …; holds shop/cart-1`
fn line(what: &str, group: &[&Wait<'_>]) -> String {
    let mut whom: Vec<&Wait<'_>> = Vec::new();
    for wait in group {
        // A node may wait for the same thing with several pods.
        if whom.iter().all(|known| known.who != wait.who) {
            whom.push(wait);
        }
    }
    let told = whom.iter().enumerate().map(|(index, wait)| {
        let verb = if index == 0 { " waits" } else { "" };
        let left = wait.pods_left.map_or_else(String::new, |left| format!(" ({} left)", wording::count(left, "pod")));
        format!("{}{verb} {}{left}", wait.who, wait.clock)
    });
    let told: Vec<_> = told.collect();
    let mut pods: Vec<PodRef> = Vec::new();
    for pod in group.iter().flat_map(|wait| why::holds(wait.on)) {
        if !pods.contains(pod) {
            pods.push(pod.clone());
        }
    }
    let holds = if pods.is_empty() { String::new() } else { format!("; holds {}", wording::pod_names(&pods)) };
    format!("{}: {what}{holds}", wording::list(&told))
}

/// Whether this is the same budget: what it allows may have been counted at another moment for another node.
fn is_one(group: &[&Wait<'_>], wait: &Wait<'_>) -> bool {
    let same = |other: &&&Wait<'_>| matches!((other.on, wait.on), (WaitingOn::Budget(a), WaitingOn::Budget(b)) if a.pdb == b.pdb);
    group.iter().any(|other| same(&other))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::{
        domain::PdbRef,
        report::fixtures::{Tale, at, budget, never, pod},
    };

    /// The lines of this tale, looked at each second until then, with their second.
    fn lines(tale: &Tale, until: u64) -> String {
        let (mut progress, mut blocked, mut lines) = (Progress::default(), Blocked::default(), Vec::new());
        let mut records = tale.0.iter().peekable();
        for second in 0..=until {
            while let Some(record) = records.next_if(|record| record.at <= at(second)) {
                progress.record(record);
            }
            lines.extend(blocked.due(&progress, at(second)).into_iter().map(|line| format!("{second}s {line}")));
        }
        lines.join("\n")
    }

    fn on_budget() -> Vec<WaitingOn> {
        vec![WaitingOn::Budget(Box::new(budget()))]
    }

    #[test]
    fn pods_that_take_turns_at_a_budget_are_no_block() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 3);
        tale.waits(4, 3, 4, on_budget(), Some(3));
        tale.waits(9, 3, 4, Vec::new(), Some(2));
        assert_snapshot!(lines(&tale, 120), @"");
    }

    #[test]
    fn the_same_is_said_once_a_minute_however_it_flaps() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 3);
        for (second, odd) in (4..130).step_by(3).zip([1, 0].into_iter().cycle()) {
            let mut view = budget();
            view.pods.truncate(odd + 1);
            view.unready.truncate(odd);
            let on = vec![WaitingOn::Budget(Box::new(view))];
            tale.waits(second, 3, 4, on, Some(u32::try_from(second % 3).unwrap() + 2));
        }
        // Gone for a moment, and there again.
        tale.waits(131, 3, 4, Vec::new(), Some(1));
        tale.waits(133, 3, 4, on_budget(), Some(1));
        assert_snapshot!(lines(&tale, 160), @"
        14s node/ip-10-0-1-3.eu-west-1.compute.internal waits 10s of 15m (3 pods left): pdb/shop/cart: 1 of 3 allowed out and 1 is; holds shop/cart-5f6c2
        74s node/ip-10-0-1-3.eu-west-1.compute.internal waits 1m10s of 15m (3 pods left): pdb/shop/cart: 1 of 3 allowed out and 1 is; holds shop/cart-5f6c2
        143s node/ip-10-0-1-3.eu-west-1.compute.internal waits 2m19s of 15m (1 pod left): pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts); holds shop/cart-5f6c2, shop/cart-8x2lq
        ");
    }

    #[test]
    fn a_wait_names_the_cause_at_its_bottom_once_that_is_found() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 3);
        tale.waits(4, 3, 4, on_budget(), Some(3));
        tale.tell(
            5,
            crate::engine::event::Event::Diagnosed { diagnosis: Box::new(crate::report::fixtures::diagnosis()) },
        );
        assert_snapshot!(lines(&tale, 20), @"14s node/ip-10-0-1-3.eu-west-1.compute.internal waits 10s of 15m (3 pods left): PDB-EXHAUSTED <- POD-CRASH-LOOP pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts); holds shop/cart-5f6c2, shop/cart-8x2lq");
    }

    #[test]
    fn each_extra_node_that_comes_is_told_by_itself() {
        let mut tale = Tale::begin(3);
        let comes = |name: &str| crate::engine::event::Event::Waiting {
            who: format!("node/{name}"),
            on: vec![WaitingOn::NodeTaint { node: name.into(), taint: "agent-not-ready".to_owned() }],
            since: crate::report::fixtures::at(4),
            until: None,
            pods_left: None,
        };
        tale.tell(4, comes("n8"));
        tale.tell(4, comes("n9"));
        tale.cordon(5, 3);
        let said = lines(&tale, 130);
        assert!(said.contains("node/n8 waits") && said.contains("node/n9"), "{said}");
    }

    #[test]
    fn what_every_node_takes_its_time_for_is_said_at_once_when_somebody_must_act() {
        let launch = || vec![WaitingOn::Launch { failure: None }];
        let mut tale = Tale::begin(3);
        tale.cordon(4, 3);
        tale.waits(10, 3, 10, launch(), None);
        assert_snapshot!(lines(&tale, 100), @"");
        let asg = domain::Object::Asg("eks-apps".into());
        let found = domain::Finding::new(domain::Cause::LaunchSuspended, asg, "it may not launch");
        let diagnosis = domain::Diagnosis { findings: vec![found], ..crate::report::fixtures::diagnosis() };
        tale.tell(12, crate::engine::event::Event::Diagnosed { diagnosis: Box::new(diagnosis) });
        assert_snapshot!(lines(&tale, 30), @"20s node/ip-10-0-1-3.eu-west-1.compute.internal waits 16s: LAUNCH-SUSPENDED a new instance to be launched");
    }

    #[test]
    fn a_refusal_that_is_asked_for_again_every_ten_seconds_lasts() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 3);
        let refused = || {
            let message = "admission webhook \"guard\" denied the request: not on a Sunday".to_owned();
            vec![WaitingOn::Refused { pod: pod("cart-1"), message, refusal: None }]
        };
        for second in [4, 15, 26, 37] {
            tale.waits(second, 3, 4, refused(), Some(1));
            tale.waits(second + 10, 3, 4, vec![WaitingOn::Answers { count: 1 }], Some(1));
        }
        let said = lines(&tale, 40);
        assert!(said.starts_with("15s node/") && said.lines().count() == 1, "{said}");
    }

    #[test]
    fn nodes_that_wait_for_the_same_share_a_line_and_a_new_one_is_news() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 2);
        tale.cordon(4, 3);
        let never = || vec![WaitingOn::Budget(Box::new(never()))];
        let both = |name: &str| {
            let pdb = |name: &str| PdbRef { namespace: "shop".to_owned(), name: name.to_owned() };
            WaitingOn::TwoBudgets { pod: pod(name), pdbs: vec![pdb("cart"), pdb("tier")] }
        };
        // The two begin to wait a moment apart.
        tale.waits(5, 2, 4, never(), Some(1));
        tale.waits(30, 3, 4, never(), Some(1));
        tale.waits(80, 3, 4, vec![both("cart-1"), both("cart-2")], Some(2));
        assert_snapshot!(lines(&tale, 100), @"
        15s node/ip-10-0-1-2.eu-west-1.compute.internal waits 11s of 15m (1 pod left): pdb/odd/ledger-guard: minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always; holds odd/ledger-5cf9-2lmzc
        40s node/ip-10-0-1-2.eu-west-1.compute.internal waits 36s of 15m (1 pod left), node/ip-10-0-1-3.eu-west-1.compute.internal 36s of 15m (1 pod left): pdb/odd/ledger-guard: minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always; holds odd/ledger-5cf9-2lmzc
        90s node/ip-10-0-1-3.eu-west-1.compute.internal waits 1m26s of 15m (2 pods left): pdb/shop/cart and pdb/shop/tier count the same pods, and the eviction API refuses that for ever; holds shop/cart-1, shop/cart-2
        100s node/ip-10-0-1-2.eu-west-1.compute.internal waits 1m36s of 15m (1 pod left): pdb/odd/ledger-guard: minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always; holds odd/ledger-5cf9-2lmzc
        ");
    }
}
