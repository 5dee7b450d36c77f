//! Why a run stopped: the failure's stable name, whom it holds, the arithmetic, and what to do about it.

use jiff::Timestamp;

use super::{
    alike::{Alike, alike},
    codes,
    commands::Commands,
    diagnosis::Findings,
    fit,
    names::Names,
    why, wording,
};
use crate::{
    diagnose::from_wait,
    domain::{Diagnosis, Finding, PodRef, Refusal, short},
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
    /// What was found when patience with a node ended, the youngest last.
    pub(super) diagnosed: &'a [Diagnosis],
}

/// What a row's head takes.
const ROW: usize = 9;

/// Something that stands in the way, and the pods that it holds.
struct Block<'a> {
    on: &'a WaitingOn,
    held: Vec<(PodRef, &'a str)>,
}

impl Failures<'_> {
    /// What happened to whom, then each cause once, with all that it holds and its remedy.
    pub(super) fn lines(&self, stuck: &[(String, &Stuck)]) -> Vec<String> {
        let mut lines: Vec<_> = stuck.iter().flat_map(|(who, why)| self.hung(&self.head(who, why))).collect();
        let several = stuck.len() > 1;
        let mut found: Vec<(&Finding, Vec<String>)> = Vec::new();
        let mut others = Vec::new();
        let youngest_first: Vec<_> = self.diagnosed.iter().rev().collect();
        for block in blocks(stuck) {
            let roots = codes::roots(&youngest_first, block.on);
            if roots.is_empty() {
                join(&mut others, block);
                continue;
            }
            let held = self.held(&block, several);
            for root in roots {
                match found.iter_mut().find(|(known, _)| known.cause == root.cause && known.object == root.object) {
                    Some((_, known)) => {
                        known.extend(held.iter().filter(|pod| !known.contains(pod)).cloned().collect::<Vec<_>>());
                    }
                    None => found.push((root, held.clone())),
                }
            }
        }
        let findings = Findings { names: self.names, commands: self.commands, width: self.width };
        let mut before = self.commands.before_kubectl();
        for kind in alike(found.iter().map(|(finding, _)| *finding)) {
            let is_of = |finding: &Finding| kind.all().any(|known| std::ptr::eq(known, finding));
            let held = found.iter().filter(|(finding, _)| is_of(finding)).flat_map(|(_, held)| held.clone());
            let held = held.collect();
            lines.push(String::new());
            lines.extend(findings.told(&kind, held, &mut before));
        }
        for finding in refusals(stuck).filter_map(|refusal| codes::of_refusal(&youngest_first, refusal)) {
            lines.push(String::new());
            lines.extend(findings.whole(&Alike::one(finding), &mut before));
        }
        let asg = self.commands.auto_scaling_group();
        for block in others {
            lines.push(String::new());
            match from_wait(block.on, asg.as_ref()) {
                Some(finding) => {
                    lines.extend(findings.told(&Alike::one(&finding), self.held(&block, several), &mut before));
                }
                None => lines.extend(self.block(&block, several)),
            }
        }
        lines
    }

    fn head(&self, who: &str, why: &Stuck) -> String {
        match why {
            Stuck::PodEviction { after, held } => {
                let pods = wording::count(u32::try_from(held.len()).unwrap_or(u32::MAX), "pod");
                format!("PodEvictionFailure: {who} still holds {pods} after {}", short(*after))
            }
            Stuck::NodeCreation { after, .. } => {
                format!("NodeCreationFailure: no new node serves instead of {who} after {}", short(*after))
            }
            Stuck::Refused { refusal, .. } => {
                format!("{who}: the server refuses: {}", self.names.shorten(&refusal.to_string()))
            }
        }
    }

    /// What was waited for and is no cause by itself: whom it held, on which node where there are several, and why.
    fn block(&self, block: &Block<'_>, several: bool) -> Vec<String> {
        let why = why::why(block.on, self.names, self.now);
        let mut lines = vec![format!("waited for {}", wording::title(block.on))];
        for (head, texts) in [("holds", self.held(block, several)), ("why", self.fitted(&why))] {
            let rows = texts.into_iter().enumerate();
            lines.extend(rows.map(|(index, text)| format!("  {:<6} {text}", if index == 0 { head } else { "" })));
        }
        lines
    }

    /// The pods that it holds, each with its node where there are several.
    fn held(&self, block: &Block<'_>, several: bool) -> Vec<String> {
        let held = block.held.iter().map(|(pod, who)| match who.strip_prefix("node/") {
            Some(node) if several => format!("{pod} on {}", self.names.shorten(node)),
            Some(_) | None => pod.to_string(),
        });
        held.collect()
    }

    fn hung(&self, text: &str) -> Vec<String> {
        self.width.map_or_else(|| vec![text.to_owned()], |width| fit::hang(text, width))
    }

    /// A sentence beside a row's head.
    fn fitted(&self, text: &str) -> Vec<String> {
        match self.width {
            Some(width) => fit::wrap(text, width.saturating_sub(ROW), usize::MAX),
            None => vec![text.to_owned()],
        }
    }
}

/// What stands in the way of each pod, and of each node that did not come.
fn blocks<'a>(stuck: &'a [(String, &'a Stuck)]) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (who, why) in stuck {
        match why {
            Stuck::PodEviction { held, .. } => {
                let each = held.iter().map(|HeldPod { pod, on }| Block { on, held: vec![(pod.clone(), who.as_str())] });
                blocks.extend(each);
            }
            Stuck::NodeCreation { on, .. } => blocks.push(Block { on, held: Vec::new() }),
            Stuck::Refused { .. } => {}
        }
    }
    blocks
}

/// What stopped a run for good.
fn refusals<'a>(stuck: &'a [(String, &'a Stuck)]) -> impl Iterator<Item = &'a Refusal> {
    stuck.iter().filter_map(|(_, why)| match why {
        Stuck::Refused { refusal, .. } => Some(refusal),
        Stuck::PodEviction { .. } | Stuck::NodeCreation { .. } => None,
    })
}

/// Each thing once, however many nodes and pods it holds.
fn join<'a>(blocks: &mut Vec<Block<'a>>, block: Block<'a>) {
    let is_same = |known: &Block<'_>| {
        if block.held.is_empty() { known.on == block.on } else { wording::title(known.on) == wording::title(block.on) }
    };
    match blocks.iter_mut().find(|known| is_same(known)) {
        Some(known) => known.held.extend(block.held),
        None => blocks.push(block),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::{
        domain::{Cause, Command, Object, Remedy, Subject},
        engine::effect::EffectKey,
        report::fixtures::{at, budget, never},
    };

    #[test]
    fn pods_that_the_same_thing_holds_are_told_together() {
        let held = vec![
            HeldPod { pod: budget().pods[0].clone(), on: WaitingOn::Budget(Box::new(budget())) },
            HeldPod { pod: budget().pods[1].clone(), on: WaitingOn::Budget(Box::new(budget())) },
            HeldPod { pod: never().pods[0].clone(), on: WaitingOn::Unmanaged { pod: never().pods[0].clone() } },
        ];
        let commands = Commands::new(["-c", "prod", "-n", "apps"].map(str::to_owned).into());
        let failures =
            Failures { names: &Names::default(), commands: &commands, width: Some(80), now: at(904), diagnosed: &[] };
        let lines =
            failures.lines(&[("node/a".to_owned(), &Stuck::PodEviction { after: Duration::from_mins(15), held })]);
        assert_snapshot!(lines.join("\n"), @"
        PodEvictionFailure: node/a still holds 3 pods after 15m

        PDB-EXHAUSTED  pdb/shop/cart allows no eviction now
          holds  pod/shop/cart-5f6c2
                 pod/shop/cart-8x2lq
          why    1 of 3 may be out and 1 is (arithmetic)
                 cart-7d9f on ip-10-0-1-9.eu-west-1.compute.internal not Ready
                 (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts) (status)
          look   # why cart-7d9f is not Ready
                 kubectl -n shop describe pod/cart-7d9f
                 kubectl -n shop logs pod/cart-7d9f --previous
          more   mngup explain PDB-EXHAUSTED

        BARE-POD  pod/odd/ledger-5cf9-2lmzc has no controller
          holds  pod/odd/ledger-5cf9-2lmzc
          why    nobody would bring it back, and --delete-unmanaged was not given (spec)
          fix    # delete it; risk: it does not come back
                 kubectl -n odd delete pod/ledger-5cf9-2lmzc
          or     # allow that for all such pods; risk: none of them comes back
                 mngup upgrade -c prod -n apps --delete-unmanaged
          more   mngup explain BARE-POD
        ");
    }

    #[test]
    fn what_was_found_is_told_by_its_root_with_the_budget_as_its_symptom() {
        let view = budget();
        let held =
            view.pods.iter().map(|pod| HeldPod { pod: pod.clone(), on: WaitingOn::Budget(Box::new(view.clone())) });
        let held = held.collect();
        let commands = Commands::new(["-c", "prod", "-n", "apps"].map(str::to_owned).into());
        let diagnosed = [crate::report::fixtures::diagnosis()];
        let (names, width) = (Names::default(), Some(80));
        let failures = Failures { names: &names, commands: &commands, width, now: at(904), diagnosed: &diagnosed };
        let lines =
            failures.lines(&[("node/a".to_owned(), &Stuck::PodEviction { after: Duration::from_mins(15), held })]);
        assert_snapshot!(lines.join("\n"), @"
        PodEvictionFailure: node/a still holds 2 pods after 15m

        POD-CRASH-LOOP  container app of pod/shop/cart-7d9f ends again and again
          holds  pod/shop/cart-5f6c2
                 pod/shop/cart-8x2lq
          why    CrashLoopBackOff, exit 137 OOMKilled, 9 restarts (status)
          so     PDB-EXHAUSTED pdb/shop/cart: 1 of 3 may be out and 1 is: cart-7d9f
          look   # why it ends
                 kubectl -n shop logs pod/cart-7d9f -c app --previous
          more   mngup explain POD-CRASH-LOOP
        ");
    }

    #[test]
    fn what_holds_several_nodes_is_told_once_with_the_pods_of_each() {
        let on = || WaitingOn::Budget(Box::new(never()));
        let stuck = |pod: &str| Stuck::PodEviction {
            after: Duration::from_mins(15),
            held: vec![HeldPod { pod: crate::report::fixtures::pod(pod), on: on() }],
        };
        let (first, second) = (stuck("ledger-1"), stuck("ledger-2"));
        let commands = crate::report::fixtures::prod();
        let failures =
            Failures { names: &Names::default(), commands: &commands, width: None, now: at(904), diagnosed: &[] };
        let lines = failures.lines(&[("node/a".to_owned(), &first), ("node/b".to_owned(), &second)]);
        assert_snapshot!(lines.join("\n"), @r#"
        PodEvictionFailure: node/a still holds 1 pod after 15m
        PodEvictionFailure: node/b still holds 1 pod after 15m

        PDB-NEVER-ALLOWS  pdb/odd/ledger-guard can never allow an eviction
          holds  pod/shop/ledger-1 on a
                 pod/shop/ledger-2 on b
          why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always (arithmetic)
          fix    # kubectl must point to cluster prod:
                 # aws eks update-kubeconfig --name prod
                 # let one pod leave at a time; risk: one pod less for a while
                 kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":1}}'
          back   # puts it back, once the pods have moved:
                 kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":"100%"}}'
          more   mngup explain PDB-NEVER-ALLOWS
        "#);
    }

    #[test]
    fn pods_that_wait_for_the_same_thing_have_each_their_own_cause() {
        let pod = crate::report::fixtures::pod;
        let finding = |cause, name: &str| Finding::new(cause, Object::Pod(pod(name)), format!("{name} is told"));
        let findings = vec![finding(Cause::StuckTerminating, "a"), finding(Cause::Finalizer, "b")];
        let diagnosed =
            [Diagnosis { at: at(60), subject: Subject::Run, findings, unknown: Vec::new(), tree: Vec::new() }];
        let overdue = |name: &str| WaitingOn::PodsOverdue { pods: vec![pod(name)], finalizers: Vec::new() };
        let held = ["a", "b"].map(|name| HeldPod { pod: pod(name), on: overdue(name) }).into();
        let commands = crate::report::fixtures::prod();
        let failures = Failures {
            names: &Names::default(),
            commands: &commands,
            width: None,
            now: at(904),
            diagnosed: &diagnosed,
        };
        let lines =
            failures.lines(&[("node/a".to_owned(), &Stuck::PodEviction { after: Duration::from_mins(15), held })]);
        assert_snapshot!(lines.join("\n"), @"
        PodEvictionFailure: node/a still holds 2 pods after 15m

        STUCK-TERMINATING  a is told
          holds  pod/shop/a
          more   mngup explain STUCK-TERMINATING

        FINALIZER  b is told
          holds  pod/shop/b
          more   mngup explain FINALIZER
        ");
    }

    #[test]
    fn a_right_that_is_taken_away_in_the_middle_is_told_with_how_to_give_it_back() {
        let message = "pods \"cart-1\" is forbidden: User \"mngup\" cannot create resource \"pods/eviction\" in API group \
                       \"\" in the namespace \"shop\"";
        let refusal = Refusal::Forbidden { message: message.to_owned() };
        let right = refusal.by(&crate::report::fixtures::pod("cart-1")).expect("it names the right");
        let fix = Command::Kubectl("create clusterrole mngup-create-pods-eviction".to_owned());
        let fix = Remedy::fix("give that user the right", vec![fix], "");
        let finding = Finding::new(Cause::RightsEvict, right, "the right to evict is missing").remedies(vec![fix]);
        let (unknown, tree) = (Vec::new(), Vec::new());
        let diagnosed = [Diagnosis { at: at(60), subject: Subject::Run, findings: vec![finding], unknown, tree }];
        let commands = crate::report::fixtures::prod();
        let (names, width) = (Names::default(), Some(80));
        let failures = Failures { names: &names, commands: &commands, width, now: at(904), diagnosed: &diagnosed };
        let stuck = Stuck::Refused { act: EffectKey::Pod("cart-1".into()), refusal };
        let lines = failures.lines(&[("nodegroup/apps".to_owned(), &stuck)]);
        assert_snapshot!(lines.join("\n"), @r#"
        nodegroup/apps: the server refuses: pods "cart-1" is forbidden: User "mngup"
          cannot create resource "pods/eviction" in API group "" in the namespace "shop"

        RIGHTS-EVICT  the right to evict is missing
          fix    # kubectl must point to cluster prod:
                 # aws eks update-kubeconfig --name prod
                 # give that user the right
                 kubectl create clusterrole mngup-create-pods-eviction
          more   mngup explain RIGHTS-EVICT
        "#);
    }
}
