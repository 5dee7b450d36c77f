//! The last lines: what was done in numbers, what is left, and the next command.

use std::path::PathBuf;

use console::measure_text_width;
use jiff::Timestamp;

use super::{
    commands::Commands,
    failure::Failures,
    fit,
    progress::{Progress, Stage},
    undoing::Undoing,
    wording,
};
use crate::{
    domain::{PodRef, short},
    engine::event::{Member, RunOutcome, Stuck},
};

/// What the last lines need beyond the records.
#[derive(Clone, Debug)]
pub struct Closing {
    /// How to reach the group again.
    pub commands: Commands,
    /// Where the journal is, if there is one.
    pub journal: Option<PathBuf>,
    /// What there was to be undone, where that is what is done.
    pub undoing: Option<Undoing>,
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

/// Before a command on a line of its own.
const COMMAND: &str = "    ";

struct Says<'a> {
    progress: &'a Progress,
    closing: &'a Closing,
    width: Option<usize>,
    now: Timestamp,
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
                talk.extend(self.deleted());
                talk.extend(self.report());
            }
            RunOutcome::Quarantined { nodes } => {
                let but_for = wording::count(nodes.len().try_into().unwrap_or(u32::MAX), "node");
                let (group, done) = (self.group(), self.nodes());
                answer.push(format!("{group} upgraded but for {but_for}: {done} in {}", self.took()));
                answer.push(self.numbers());
                talk.extend(self.deleted());
                talk.push(String::new());
                talk.extend(self.failures());
                talk.push(String::new());
                for node in nodes {
                    talk.push(format!("node/{node} is quarantined: cordoned, and still of the old kind"));
                }
                talk.extend(self.larger());
                talk.extend(self.again("when it is fixed"));
            }
            RunOutcome::EvictionFailed | RunOutcome::ReplacementFailed => {
                talk.extend(self.failures());
                talk.push(String::new());
                talk.push(self.state());
                talk.push(self.numbers());
                talk.extend(self.deleted());
                talk.extend(self.larger());
                talk.extend(self.again("when it is fixed"));
            }
            RunOutcome::Refused { why } => {
                talk.push(format!("refused: {}", self.progress.names.shorten(why)));
                talk.extend(self.failures());
                if self.progress.touched {
                    talk.push(self.state());
                    talk.extend(self.larger());
                } else {
                    talk.push("nothing was touched".to_owned());
                }
                talk.extend(self.again("when it is fixed"));
            }
            RunOutcome::Interrupted => {
                talk.push(format!("{} stopped after {}", self.group(), self.took()));
                talk.push(self.state());
                talk.extend(self.larger());
                talk.extend(self.again("to go on where it stopped"));
            }
            RunOutcome::Aborted => {
                answer.push(format!("the run of {} was undone", self.group()));
                talk.extend(self.command("Next, to begin again", &self.closing.commands.begin("")));
            }
            RunOutcome::InvariantBroken { what } => talk.extend(self.fault(what)),
        }
        Ending { answer, talk }
    }

    fn undone(&self, undoing: &Undoing, outcome: &RunOutcome) -> Ending {
        let (mut answer, mut talk) = (Vec::new(), Vec::new());
        match outcome {
            RunOutcome::Aborted | RunOutcome::Done => {
                let but_for = match self.progress.done {
                    0 => String::new(),
                    1 => ", but for 1 node that a new one replaced".to_owned(),
                    done => format!(", but for {done} nodes that new ones replaced"),
                };
                answer.push(format!("{} is as it was before the run{but_for}", self.group()));
                answer.extend(undoing.done(&self.gone()));
                talk.extend(self.command("Next, to begin again", &self.closing.commands.begin("")));
            }
            RunOutcome::EvictionFailed | RunOutcome::ReplacementFailed | RunOutcome::Quarantined { .. } => {
                talk.extend(self.failures());
                talk.push(String::new());
                talk.extend(self.larger());
                talk.extend(self.undo_again("when it is fixed"));
            }
            RunOutcome::Refused { why } => {
                talk.push(format!("refused: {}", self.progress.names.shorten(why)));
                talk.extend(self.failures());
                talk.extend(self.larger());
                talk.extend(self.undo_again("when it is fixed"));
            }
            RunOutcome::Interrupted => {
                talk.push(format!("stopped after {}; the run of {} is not undone yet", self.took(), self.group()));
                talk.extend(self.larger());
                talk.extend(self.undo_again("to go on with that"));
            }
            RunOutcome::InvariantBroken { what } => talk.extend(self.fault(what)),
        }
        Ending { answer, talk }
    }

    fn fault(&self, what: &str) -> Vec<String> {
        let journal = self.closing.journal.as_ref();
        let journal = journal.map_or_else(String::new, |path| format!(" with {}", path.display()));
        let mut lines = vec![
            format!("stopped rather than break a promise: {}", self.progress.names.shorten(what)),
            "This is a fault of mngup's. What it was about to do was not done.".to_owned(),
            self.state(),
        ];
        lines.extend(self.command(&format!("Next, report it{journal}, then look"), &self.closing.commands.status()));
        lines
    }

    fn group(&self) -> String {
        self.progress.history.group.as_ref().map_or_else(|| "the group".to_owned(), ToString::to_string)
    }

    fn nodes(&self) -> String {
        wording::count(self.progress.done, "node")
    }

    fn took(&self) -> String {
        short(self.progress.elapsed(self.now))
    }

    /// Nodes that went so that the group has its size again.
    fn gone(&self) -> Vec<&str> {
        let nodes = self.progress.history.replaced().filter(|node| self.progress.is_shed(&node.member));
        nodes.map(|node| super::told::called(&node.member, &self.progress.names)).collect()
    }

    fn numbers(&self) -> String {
        let history = &self.progress.history;
        // What happened before it was resumed is in the journal, not in what was seen here.
        let since = if history.resumed > 0 { " since it was resumed" } else { "" };
        let moved = wording::count(history.moved(), "pod");
        let said = format!("{moved} moved{since}, {} refused", wording::count(history.refused, "eviction"));
        match history.waits.longest(self.now) {
            Some(wait) => format!("{said}; longest wait {} for {}", short(wait.took), wait.what),
            None => said,
        }
    }

    /// That the group keeps the extra nodes of the run, and who gives them back.
    fn larger(&self) -> Option<String> {
        let (before, now) = self.progress.grown()?;
        let max = if now.max > before.max && now.desired > before.max {
            format!(" (its maximum is {} instead of {})", now.max, before.max)
        } else {
            String::new()
        };
        let back = if self.closing.commands.resumable() {
            "; abort gives that back, and so does the end of the run"
        } else {
            ""
        };
        Some(format!(
            "the group stays at {} instead of {}{max}{back}",
            wording::count(now.desired, "node"),
            before.desired
        ))
    }

    /// What is new, what is left, what is in flight.
    fn state(&self) -> String {
        let progress = self.progress;
        let mut parts = vec![wording::are(progress.done, progress.total, "node", "new")];
        for node in &progress.history.nodes {
            if node.fate == super::history::Fate::Released {
                parts.push(format!("{} serves again", super::told::called(&node.member, &progress.names)));
            }
        }
        let flying: Vec<_> = progress
            .in_flight
            .iter()
            .map(|flight| {
                let what = match flight.stage {
                    Stage::Stuck if self.is_gone(&flight.member) => "is gone and not replaced",
                    Stage::Stuck => "is stuck",
                    Stage::Replacing => "is gone and not replaced yet",
                    Stage::Cordoning | Stage::Draining | Stage::Settling => "stays cordoned",
                    Stage::Terminating => "is on its way out",
                };
                format!("{} {what}", super::told::called(&flight.member, &progress.names))
            })
            .collect();
        if flying.is_empty() {
            parts.push("nothing is in flight".to_owned());
        } else {
            parts.push(wording::list(&flying));
        }
        parts.join("; ")
    }

    /// Whether its replacement, and not itself, is what does not come about.
    fn is_gone(&self, member: &Member) -> bool {
        let stuck = &self.progress.history.stuck;
        stuck.iter().any(|(who, why)| who.as_ref() == Some(member) && matches!(why, Stuck::NodeCreation { .. }))
    }

    /// How to go on, and how not to.
    fn again(&self, when: &str) -> Vec<String> {
        let commands = &self.closing.commands;
        if !commands.resumable() {
            return self.command("Next (the sandbox begins anew)", &commands.begin(""));
        }
        if !self.progress.touched {
            return self.command(&format!("Next, {when}"), &commands.begin(""));
        }
        let on = if when.contains("go on") { "" } else { " (goes on where it stopped)" };
        let mut lines = self.command(&format!("Next, {when}{on}"), &commands.upgrade(""));
        lines.extend(self.command("  or, to undo what this run did (new nodes stay)", &commands.abort()));
        lines
    }

    fn undo_again(&self, when: &str) -> Vec<String> {
        self.command(&format!("Next, {when}"), &self.closing.commands.abort())
    }

    /// A command that can be pasted: on a line of its own where it does not fit beside what it is for.
    fn command(&self, what: &str, command: &str) -> Vec<String> {
        let line = format!("{what}: {command}");
        match self.width {
            Some(width) if measure_text_width(&line) > width => vec![format!("{what}:"), format!("{COMMAND}{command}")],
            Some(_) | None => vec![line],
        }
    }

    /// Sentences are broken between words; what is to be pasted is not broken at all.
    fn fitted(&self, lines: Vec<String>) -> Vec<String> {
        let Some(width) = self.width else { return lines };
        let whole = |line: &str| {
            ["fix ", "kubectl ", "mngup ", "aws ", "("].iter().any(|word| line.trim_start().starts_with(word))
        };
        lines.into_iter().flat_map(|line| if whole(&line) { vec![line] } else { fit::hang(&line, width) }).collect()
    }

    fn report(&self) -> Option<String> {
        self.closing.journal.as_ref().map(|path| format!("The report: {}", Commands::report(Some(path))))
    }

    /// The pods that lost their budget's protection, by name.
    fn deleted(&self) -> Option<String> {
        let deleted = &self.progress.history.deleted;
        let pods: Vec<PodRef> = deleted.iter().map(|deleted| deleted.pod.clone()).collect();
        let (count, names) = (wording::pod_count(&pods), wording::pod_names(&pods));
        (!pods.is_empty()).then(|| format!("{count} deleted without asking a budget: {names}"))
    }

    fn failures(&self) -> Vec<String> {
        let failures = Failures {
            names: &self.progress.names,
            commands: &self.closing.commands,
            width: self.width,
            now: self.now,
        };
        let extra = || format!("an extra node of {}", self.group());
        let told = self.progress.history.stuck.iter().map(|(member, why)| {
            let who = member.as_ref().map_or_else(extra, Member::title);
            failures.lines(&who, why)
        });
        // Failures of several nodes are told with a line between them.
        told.collect::<Vec<_>>().join(&[String::new()][..])
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
        report::fixtures::{Tale, at, blocked, budget, failed, member, node},
    };

    fn said(tale: &Tale, commands: Commands) -> String {
        said_of(&Progress::of(&tale.0), commands, None)
    }

    fn said_of(progress: &Progress, commands: Commands, undoing: Option<Undoing>) -> String {
        let closing = Closing { commands, journal: Some("/var/lib/ann/r-1121.jsonl".into()), undoing };
        let ending = ending(progress, &closing, Some(80)).unwrap();
        let talked = ending.talk.iter().map(|line| format!("2> {line}").trim_end().to_owned());
        ending.answer.iter().cloned().chain(talked).collect::<Vec<_>>().join("\n")
    }

    fn prod() -> Commands {
        Commands::new(["-c", "prod", "-n", "apps"].map(str::to_owned).into())
    }

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
        2> pdb/odd/ledger-guard can never allow an eviction
        2>   holds  pod/odd/ledger-5cf9-2lmzc
        2>   why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave,
        2>          now and always
        2>   fix    kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":1}}'
        2>          (then put it back: … -p '{"spec":{"minAvailable":"100%"}}')
        2>
        2> 4 of 12 nodes are new; ip-10-0-1-9 serves again; nothing is in flight
        2> 66 pods moved, 0 evictions refused; longest wait 15m for pdb/odd/ledger-guard
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
        2> NodeCreationFailure: no new node serves in the stead of
        2>   node/ip-10-0-1-1.eu-west-1.compute.internal after 15m
        2>
        2> the group launched no instance
        2>   why    a new instance; the last launch failed: There are not enough free
        2>          addresses in subnet 'subnet-0a1b'. Launching EC2 instance failed.
        2>   fix    free addresses there, or give the group a subnet that has some; the group then launches by itself
        2>          aws ec2 describe-subnets --subnet-ids subnet-0a1b --query 'Subnets[].AvailableIpAddressCount'
        2>
        2> 0 of 3 nodes are new; ip-10-0-1-1 is gone and not replaced
        2> 3 pods moved, 0 evictions refused
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
        nodegroup/apps upgraded but for 1 node: 4 nodes in 46m40s
        66 pods moved, 0 evictions refused; longest wait 15m for pdb/odd/ledger-guard
        2> 1 pod deleted without asking a budget: shop/cart-5f6c2
        2>
        2> PodEvictionFailure: node/ip-10-0-1-9.eu-west-1.compute.internal still holds 1
        2>   pod after 15m
        2>
        2> pdb/odd/ledger-guard can never allow an eviction
        2>   holds  pod/odd/ledger-5cf9-2lmzc
        2>   why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave,
        2>          now and always
        2>   fix    kubectl -n odd patch pdb/ledger-guard --type=merge -p '{"spec":{"minAvailable":1}}'
        2>          (then put it back: … -p '{"spec":{"minAvailable":"100%"}}')
        2>
        2> node/ip-10-0-1-9.eu-west-1.compute.internal is quarantined: cordoned, and
        2>   still of the old kind
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
        2> 2 of 12 nodes are new; ip-10-0-1-3 stays cordoned, ip-10-0-1-4 stays cordoned
        2> Next, to go on where it stopped: mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
        ");
        assert_snapshot!(said(&tale, Commands::sandbox(None)), @"
        2> nodegroup/apps stopped after 8m40s
        2> 2 of 12 nodes are new; ip-10-0-1-3 stays cordoned, ip-10-0-1-4 stays cordoned
        2> Next (the sandbox begins anew): mngup upgrade --sandbox
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
        2> 1 of 3 nodes is new; ip-10-0-1-2 is stuck
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
        tale.end(250, RunOutcome::InvariantBroken { what: "i-0f3a01 would be terminated twice".to_owned() }, 2, 1);
        assert_snapshot!(said(&tale, prod()), @"
        2> stopped rather than break a promise: i-0f3a01 would be terminated twice
        2> This is a fault of mngup's. What it was about to do was not done.
        2> 1 of 3 nodes is new; nothing is in flight
        2> Next, report it with /var/lib/ann/r-1121.jsonl, then look:
        2>     mngup status -c prod -n apps
        ");
        assert_eq!(at(0), tale.0[0].at);
    }

    #[test]
    fn a_group_that_stays_larger_says_so_and_who_gives_that_back() {
        let mut tale = blocked();
        tale.end(520, RunOutcome::Interrupted, 10, 2);
        let size = crate::domain::Size { min: 3, desired: 13, max: 20 };
        let progress = Progress::of(&tale.0).at_size(Some(size));
        assert_snapshot!(said_of(&progress, prod(), None), @"
        2> nodegroup/apps stopped after 8m40s
        2> 2 of 12 nodes are new; ip-10-0-1-3 stays cordoned, ip-10-0-1-4 stays cordoned
        2> the group stays at 13 nodes instead of 12; abort gives that back, and so does
        2>   the end of the run
        2> Next, to go on where it stopped: mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
        ");
    }

    #[test]
    fn an_undone_run_says_what_was_taken_back_and_counts_only_what_the_run_replaced() {
        let mut tale = Tale::default();
        let old = (2..=3).map(|n| crate::engine::event::OldNode {
            member: member(n),
            evidence: crate::engine::event::Evidence::NoTemplate,
        });
        let intent = crate::report::fixtures::intent(3);
        tale.tell(700, Event::RunResumed { intent: Box::new(intent), old: old.collect() });
        tale.tell(
            701,
            Event::NodeChosen {
                member: member(4),
                available: 3,
                required: 3,
                shrink: true,
                extended: std::collections::BTreeMap::new(),
            },
        );
        let took = std::time::Duration::from_secs(99);
        tale.tell(800, Event::Replaced { member: member(4), by: None, took });
        let undone = |tale: &Tale| {
            let mut progress = Progress::undoing();
            tale.0.iter().for_each(|record| progress.record(record));
            said_of(&progress, prod().with(vec!["--force".to_owned()]), Some(crate::report::undoing::sample()))
        };
        tale.end(801, RunOutcome::Aborted, 2, 0);
        assert_snapshot!(undone(&tale), @"
        nodegroup/apps is as it was before the run, but for 1 node that a new one
          replaced
        taken back: the cordon of ip-10-0-1-2, the load balancer label of ip-10-0-1-2,
          the soft taint of 2 nodes, the shield against the cluster autoscaler of 1
          node, the suspension of AZRebalance, the maximum of 4, which was 3, the size
          of 4, which was 3 (ip-10-0-1-4 drained and gone)
        2> Next, to begin again: mngup upgrade -c prod -n apps --force
        ");
        tale.end(801, RunOutcome::Interrupted, 2, 0);
        assert_snapshot!(undone(&tale), @"
        2> stopped after 1m41s; the run of nodegroup/apps is not undone yet
        2> Next, to go on with that: mngup abort -c prod -n apps
        ");
    }

    #[test]
    fn what_was_seen_after_a_resume_is_not_told_as_all_of_it() {
        let mut tale = Tale::default();
        let intent = crate::report::fixtures::intent(3);
        tale.tell(700, Event::RunResumed { intent: Box::new(intent), old: Vec::new() });
        tale.end(801, RunOutcome::Done, 0, 0);
        assert_snapshot!(said(&tale, prod()), @"
        nodegroup/apps upgraded: 3 nodes in 13m21s
        0 pods moved since it was resumed, 0 evictions refused
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        ");
    }

    #[test]
    fn a_command_that_is_too_long_stands_whole_on_a_line_of_its_own() {
        let far = ["-c", "production", "-n", "applications", "--context", "bastion-of-the-platform-team"];
        let mut tale = Tale::begin(2);
        tale.end(1, RunOutcome::Interrupted, 2, 0);
        assert_snapshot!(said(&tale, Commands::new(far.map(str::to_owned).into())), @"
        2> nodegroup/apps stopped after 1s
        2> 0 of 2 nodes are new; nothing is in flight
        2> Next, to go on where it stopped:
        2>     mngup upgrade -c production -n applications --context bastion-of-the-platform-team
        2>   or, to undo what this run did (new nodes stay):
        2>     mngup abort -c production -n applications --context bastion-of-the-platform-team
        ");
    }
}
