//! The last lines: what was done in numbers, what is left, and the next command.

use std::path::PathBuf;

use super::{commands::Commands, progress::Progress, says::Says, undoing::Undoing, wording};
use crate::engine::event::RunOutcome;

/// What the last lines need beyond the records.
#[derive(Clone, Debug)]
pub struct Closing {
    /// How to reach the group again.
    pub commands: Commands,
    /// Where the journal is, if there is one.
    pub journal: Option<PathBuf>,
    /// What there was to be undone, where that is what is done.
    pub undoing: Option<Undoing>,
    /// Old nodes that were not to be replaced, since others were named.
    pub left_out: u32,
}

/// The last lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// For stdout.
    pub answer: Vec<String>,
    /// For stderr.
    pub talk: Vec<String>,
}

/// The last lines of this run, sentences broken to fit the width if there is one; none while it has not ended.
#[must_use]
pub fn ending(progress: &Progress, closing: &Closing, width: Option<usize>) -> Option<Ending> {
    let ended = progress.history.ended.as_ref()?;
    let says = Says { progress, closing, width, now: ended.at };
    let Ending { answer, talk } = match &closing.undoing {
        Some(undoing) => says.undone(undoing, &ended.outcome),
        None => says.upgraded(&ended.outcome),
    };
    Some(Ending { answer: says.fitted(answer), talk: says.fitted(talk) })
}

impl Says<'_> {
    fn upgraded(&self, outcome: &RunOutcome) -> Ending {
        let (mut answer, mut talk) = (Vec::new(), Vec::new());
        match outcome {
            RunOutcome::Done if self.progress.total == 0 => {
                answer.push(format!("{} is up to date: no node is old", self.group()));
            }
            RunOutcome::Done => {
                answer.push(format!("{} upgraded: {} in {}", self.group(), self.nodes(), self.took()));
                answer.push(self.numbers());
                answer.extend(self.left_out());
                talk.extend(self.deleted());
                talk.extend(self.report());
            }
            RunOutcome::Quarantined { nodes } => {
                let except = wording::count(nodes.len().try_into().unwrap_or(u32::MAX), "node");
                let (group, done) = (self.group(), self.nodes());
                answer.push(format!("{group} upgraded except {except}: {done} in {}", self.took()));
                answer.push(self.numbers());
                talk.extend(self.deleted());
                talk.push(String::new());
                talk.extend(self.failures());
                talk.push(String::new());
                for node in nodes {
                    talk.push(format!("node/{node} is quarantined: it stays cordoned, and is still old"));
                }
                talk.extend(self.larger());
                talk.extend(self.report());
                talk.extend(self.again("when it is fixed"));
            }
            RunOutcome::EvictionFailed | RunOutcome::ReplacementFailed => {
                talk.extend(self.failures());
                talk.push(String::new());
                talk.push(self.state());
                if *outcome == RunOutcome::EvictionFailed {
                    talk.extend(self.quarantine_full());
                }
                talk.push(self.numbers());
                talk.extend(self.deleted());
                talk.extend(self.larger());
                if *outcome == RunOutcome::ReplacementFailed {
                    talk.push("Auto Scaling goes on trying to launch what the group lacks".to_owned());
                }
                talk.extend(self.report());
                talk.extend(self.again("when it is fixed"));
            }
            RunOutcome::Refused { why } => {
                talk.push(format!("refused: {}", self.progress.names.shorten(why)));
                talk.extend(self.failures());
                if self.progress.touched {
                    talk.push(self.state());
                    talk.push(self.numbers());
                    talk.extend(self.deleted());
                    talk.extend(self.larger());
                    talk.extend(self.report());
                } else {
                    talk.push("nothing was touched".to_owned());
                }
                talk.extend(self.again("when it is fixed"));
            }
            RunOutcome::Interrupted => {
                talk.push(format!("{} stopped after {}", self.group(), self.took()));
                talk.push(self.state());
                talk.push(self.numbers());
                talk.extend(self.deleted());
                talk.extend(self.larger());
                talk.extend(self.report());
                talk.extend(self.again("to go on where it stopped"));
            }
            RunOutcome::Aborted => {
                answer.push(format!("the run of {} was undone", self.group()));
                talk.extend(self.command("Next, to begin again", &self.closing.commands.begin("")));
            }
            RunOutcome::NotTakenBack { what } => {
                answer.push(format!("{} upgraded: {} in {}", self.group(), self.nodes(), self.took()));
                answer.push(self.numbers());
                answer.extend(self.left_out());
                talk.extend(self.deleted());
                talk.push(format!("could not take back: {}", what.join(", ")));
                talk.extend(self.report());
                talk.extend(self.undo_again("to try again"));
            }
            RunOutcome::InvariantBroken { what } => talk.extend(self.fault(what)),
        }
        Ending { answer, talk }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::{
        engine::{
            effect::Refusal,
            event::{DeletedFor, Event, Stuck},
            waiting::WaitingOn,
        },
        report::fixtures::{Tale, at, blocked, budget, failed, member, node, prod, said},
    };

    #[test]
    fn a_good_end() {
        let mut tale = Tale::begin(2);
        tale.roll(4, 1);
        tale.roll(244, 2);
        tale.end(490, RunOutcome::Done, 0, 2);
        assert_snapshot!(said(&tale, prod()), @"
        nodegroup/apps upgraded: 2 nodes in 8m10s
        28 pods moved, 0 evictions refused
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        ");
    }

    #[test]
    fn old_nodes_that_were_not_named_remain() {
        let mut tale = Tale::begin(1);
        tale.roll(4, 1);
        tale.end(250, RunOutcome::Done, 0, 1);
        let (progress, journal) = (Progress::of(&tale.0), None);
        let closing = Closing { commands: prod(), journal, undoing: None, left_out: 11 };
        assert_snapshot!(ending(&progress, &closing, Some(80)).unwrap().answer.join("\n"), @"
        nodegroup/apps upgraded: 1 node in 4m10s
        14 pods moved, 0 evictions refused
        11 old nodes remain: only those named with --node were to be replaced
        ");
    }

    #[test]
    fn the_limit_of_quarantined_nodes_ends_a_run_that_says_so() {
        let mut tale = failed();
        if let Event::RunStarted { intent, .. } = &mut tale.0[0].event {
            intent.policy.undrainable = crate::domain::Undrainable::Quarantine;
        }
        let stuck = tale.0.iter().find(|record| matches!(record.event, Event::NodeStuck { .. })).unwrap().event.clone();
        let Event::NodeStuck { why, .. } = stuck else { unreachable!() };
        tale.0.truncate(tale.0.len() - 2);
        tale.tell(1702, Event::NodeQuarantined { node: node(1, 9) });
        tale.cordon(1800, 10);
        tale.tell(2700, Event::NodeStuck { member: Some(member(10)), why });
        tale.tell(2701, Event::NodeReleased { node: node(1, 10) });
        tale.end(2702, RunOutcome::EvictionFailed, 8, 4);
        assert_snapshot!(said(&tale, prod()), @r#"
        2> PodEvictionFailure: node/ip-10-0-1-9.eu-west-1.compute.internal still holds 1
        2>   pod after 15m
        2> PodEvictionFailure: node/ip-10-0-1-10.eu-west-1.compute.internal still holds 1
        2>   pod after 15m
        2>
        2> PDB-NEVER-ALLOWS  pdb/odd/ledger-guard can never allow an eviction
        2>   holds  pod/odd/ledger-5cf9-2lmzc on ip-10-0-1-9
        2>          pod/odd/ledger-5cf9-2lmzc on ip-10-0-1-10
        2>   why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave,
        2>          now and always (arithmetic)
        2>   fix    # kubectl must point to cluster prod:
        2>          # aws eks update-kubeconfig --name prod
        2>          # let one pod leave at a time; risk: one pod less for a while
        2>          kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":1}}'
        2>   back   # puts it back, once the pods have moved:
        2>          kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":"100%"}}'
        2>   more   mngup explain PDB-NEVER-ALLOWS
        2>
        2> 4 of 12 old nodes are replaced; ip-10-0-1-9 stays cordoned (quarantined);
        2>   ip-10-0-1-10 serves again; nothing is in flight
        2> the limit of 1 quarantined node is reached (--max-quarantined 1); a run that
        2>   goes on tries them again, abort uncordons them
        2> 66 pods moved, 0 evictions refused; longest wait 15m for pdb/odd/ledger-guard
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
        "#);
    }

    #[test]
    fn nothing_to_do() {
        let mut tale = Tale::begin(0);
        tale.end(2, RunOutcome::Done, 0, 0);
        assert_snapshot!(said(&tale, prod()), @"nodegroup/apps is up to date: no node is old");
    }

    #[test]
    fn a_budget_that_never_allows() {
        assert_snapshot!(said(&failed(), prod()), @r#"
        2> PodEvictionFailure: node/ip-10-0-1-9.eu-west-1.compute.internal still holds 1
        2>   pod after 15m
        2>
        2> PDB-NEVER-ALLOWS  pdb/odd/ledger-guard can never allow an eviction
        2>   holds  pod/odd/ledger-5cf9-2lmzc
        2>   why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave,
        2>          now and always (arithmetic)
        2>   fix    # kubectl must point to cluster prod:
        2>          # aws eks update-kubeconfig --name prod
        2>          # let one pod leave at a time; risk: one pod less for a while
        2>          kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":1}}'
        2>   back   # puts it back, once the pods have moved:
        2>          kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":"100%"}}'
        2>   more   mngup explain PDB-NEVER-ALLOWS
        2>
        2> 4 of 12 old nodes are replaced; ip-10-0-1-9 serves again; nothing is in flight
        2> 66 pods moved, 0 evictions refused; longest wait 15m for pdb/odd/ledger-guard
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
        "#);
    }

    #[test]
    fn a_replacement_that_does_not_come() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 1);
        tale.drained(40, 1, 3);
        tale.tell(100, Event::InstanceLeft { member: member(1), ours: true });
        let failure =
            "There are not enough free addresses in subnet 'subnet-0a1b'. Launching EC2 instance failed.".to_owned();
        let why = Stuck::NodeCreation {
            after: std::time::Duration::from_mins(15),
            on: WaitingOn::Launch { failure: Some(failure) },
        };
        tale.tell(1000, Event::NodeStuck { member: Some(member(1)), why });
        tale.end(1001, RunOutcome::ReplacementFailed, 3, 0);
        assert_snapshot!(said(&tale, prod()), @"
        2> NodeCreationFailure: no new node serves instead of
        2>   node/ip-10-0-1-1.eu-west-1.compute.internal after 15m
        2>
        2> LAUNCH-NO-ADDRESSES  the group launched no instance
        2>   why    There are not enough free addresses in subnet 'subnet-0a1b'. Launching
        2>          EC2 instance failed. (scaling activity)
        2>   look   # how many addresses are free there
        2>          aws ec2 describe-subnets --subnet-ids subnet-0a1b --query 'Subnets[].AvailableIpAddressCount'
        2>   look   # what the group tried
        2>          aws autoscaling describe-scaling-activities --auto-scaling-group-name eks-apps-8ac7 --max-items 10 --query 'Activities[].[StartTime,StatusCode,StatusMessage,Details]' --output text
        2>   more   mngup explain LAUNCH-NO-ADDRESSES
        2>
        2> 0 of 3 old nodes are replaced; ip-10-0-1-1 is gone and not replaced
        2> 3 pods moved, 0 evictions refused
        2> Auto Scaling goes on trying to launch what the group lacks
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
        ");
    }

    #[test]
    fn quarantine_and_force_name_nodes_and_pods() {
        let mut tale = failed();
        tale.0.truncate(tale.0.len() - 2);
        tale.tell(1702, Event::NodeQuarantined { node: node(1, 9) });
        tale.tell(1710, Event::PodDeleted { pod: budget().pods[0].clone(), node: node(1, 10), why: DeletedFor::Force });
        tale.end(2800, RunOutcome::Quarantined { nodes: [node(1, 9)].into() }, 1, 11);
        assert_snapshot!(said(&tale, prod()), @r#"
        nodegroup/apps upgraded except 1 node: 4 nodes in 46m40s
        66 pods moved and 1 deleted, 0 evictions refused; longest wait 15m for
          pdb/odd/ledger-guard
        2> 1 pod deleted without asking a budget: shop/cart-5f6c2
        2>
        2> PodEvictionFailure: node/ip-10-0-1-9.eu-west-1.compute.internal still holds 1
        2>   pod after 15m
        2>
        2> PDB-NEVER-ALLOWS  pdb/odd/ledger-guard can never allow an eviction
        2>   holds  pod/odd/ledger-5cf9-2lmzc
        2>   why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave,
        2>          now and always (arithmetic)
        2>   fix    # kubectl must point to cluster prod:
        2>          # aws eks update-kubeconfig --name prod
        2>          # let one pod leave at a time; risk: one pod less for a while
        2>          kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":1}}'
        2>   back   # puts it back, once the pods have moved:
        2>          kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":"100%"}}'
        2>   more   mngup explain PDB-NEVER-ALLOWS
        2>
        2> node/ip-10-0-1-9.eu-west-1.compute.internal is quarantined: it stays cordoned,
        2>   and is still old
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
        "#);
    }

    #[test]
    fn an_interrupted_run_says_how_to_go_on() {
        let mut tale = blocked();
        tale.tell(500, Event::StopRequested);
        tale.end(520, RunOutcome::Interrupted, 10, 2);
        assert_snapshot!(said(&tale, prod()), @"
        2> nodegroup/apps stopped after 8m40s
        2> 2 of 12 old nodes are replaced; ip-10-0-1-3 stays cordoned, ip-10-0-1-4 stays
        2>   cordoned
        2> 42 pods moved, 1 eviction refused; longest wait 4m20s for pdb/shop/cart
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, to go on where it stopped: mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
        ");
        assert_snapshot!(said(&tale, Commands::sandbox(None)), @"
        2> nodegroup/apps stopped after 8m40s
        2> 2 of 12 old nodes are replaced; ip-10-0-1-3 stays cordoned, ip-10-0-1-4 stays
        2>   cordoned
        2> 42 pods moved, 1 eviction refused; longest wait 4m20s for pdb/shop/cart
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next (the sandbox starts again): mngup upgrade --sandbox
        ");
    }

    #[test]
    fn refused_aborted_and_broken() {
        let mut tale = Tale::default();
        tale.end(1, RunOutcome::Refused { why: "nodegroup/apps is UPDATING: EKS works on it".to_owned() }, 3, 0);
        assert_snapshot!(said(&tale, prod()), @"
        2> refused: nodegroup/apps is UPDATING: EKS works on it
        2> nothing was touched
        2> Next, when it is fixed: mngup upgrade -c prod -n apps
        ");
        let mut tale = Tale::begin(3);
        tale.roll(4, 1);
        let refusal =
            Refusal::Forbidden { message: "nodes \"ip-10-0-1-2\" is forbidden: User \"ci\" cannot patch".to_owned() };
        let act = crate::engine::effect::EffectKey::Node(node(1, 2));
        tale.tell(250, Event::NodeStuck { member: Some(member(2)), why: Stuck::Refused { act, refusal } });
        tale.end(251, RunOutcome::Refused { why: "a right is missing".to_owned() }, 2, 1);
        assert_snapshot!(said(&tale, prod()), @r#"
        2> refused: a right is missing
        2> node/ip-10-0-1-2.eu-west-1.compute.internal: the server refuses: nodes
        2>   "ip-10-0-1-2" is forbidden: User "ci" cannot patch
        2> 1 of 3 old nodes is replaced; ip-10-0-1-2 is stuck
        2> 14 pods moved, 0 evictions refused
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
        "#);
        let mut tale = Tale::begin(3);
        tale.roll(4, 1);
        tale.end(250, RunOutcome::Aborted, 2, 1);
        assert_snapshot!(said(&tale, prod()), @"
        the run of nodegroup/apps was undone
        2> Next, to begin again: mngup upgrade -c prod -n apps
        ");
        let what = vec!["the desired size of 4, which would be 3".to_owned()];
        tale.tell(240, Event::PodGoesDown { pod: budget().pods[0].clone(), node: node(1, 1) });
        tale.end(250, RunOutcome::NotTakenBack { what }, 0, 3);
        assert_snapshot!(said(&tale, prod()), @"
        nodegroup/apps upgraded: 1 node in 4m10s
        14 pods moved, 0 evictions refused
        2> 1 pod went down with the node, by force: shop/cart-5f6c2
        2> could not take back: the desired size of 4, which would be 3
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, to try again: mngup abort -c prod -n apps
        ");
        tale.end(250, RunOutcome::InvariantBroken { what: "i-0f3a01 would be terminated twice".to_owned() }, 2, 1);
        assert_snapshot!(said(&tale, prod()), @"
        2> stopped rather than break a promise: i-0f3a01 would be terminated twice
        2> This is a fault of mngup's. What it was about to do was not done.
        2> 1 of 3 old nodes is replaced; nothing is in flight
        2> Next, report it with /var/lib/ann/r-1121.jsonl, then look:
        2>     mngup status -c prod -n apps
        ");
        assert_eq!(at(0), tale.0[0].at);
    }
}
