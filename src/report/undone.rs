//! The last lines of an abort: what was taken back, or why not all of it.

use super::{ending::Ending, says::Says, undoing::Undoing};
use crate::engine::event::RunOutcome;

impl Says<'_> {
    pub(super) fn undone(&self, undoing: &Undoing, outcome: &RunOutcome) -> Ending {
        let (mut answer, mut talk) = (Vec::new(), Vec::new());
        match outcome {
            RunOutcome::Aborted | RunOutcome::Done => {
                let except = match self.progress.done {
                    0 => String::new(),
                    1 => ", except 1 node that a new one replaced".to_owned(),
                    done => format!(", except {done} nodes that new ones replaced"),
                };
                answer.push(format!("{} is as it was before the run{except}", self.group()));
                answer.extend(undoing.done(&self.gone()));
                talk.extend(self.command("Next, to begin again", &self.closing.commands.begin("")));
            }
            RunOutcome::NotTakenBack { what } => {
                talk.push(format!("not all of the run of {} is undone", self.group()));
                talk.push(format!("could not take back: {}", what.join(", ")));
                talk.extend(self.undo_again("to try again"));
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
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::{
        engine::event::Event,
        report::{
            fixtures::{Tale, member, prod, said_of},
            progress::Progress,
        },
    };

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
        nodegroup/apps is as it was before the run, except 1 node that a new one
          replaced
        taken back: the cordon of ip-10-0-1-2, the load balancer label of ip-10-0-1-2,
          the soft taint of 2 nodes, the shield against the cluster autoscaler of 1
          node, the suspension of AZRebalance, the maximum of 4, which was 3, the size
          of 4, which was 3 (ip-10-0-1-4 drained and gone)
        2> Next, to begin again: mngup upgrade -c prod -n apps --force
        ");
        let what = vec!["the desired size of 4, which would be 3".to_owned()];
        tale.end(801, RunOutcome::NotTakenBack { what }, 2, 0);
        assert_snapshot!(undone(&tale), @"
        2> not all of the run of nodegroup/apps is undone
        2> could not take back: the desired size of 4, which would be 3
        2> Next, to try again: mngup abort -c prod -n apps
        ");
        tale.end(801, RunOutcome::Interrupted, 2, 0);
        assert_snapshot!(undone(&tale), @"
        2> stopped after 1m41s; the run of nodegroup/apps is not undone yet
        2> Next, to go on with that: mngup abort -c prod -n apps
        ");
    }
}
