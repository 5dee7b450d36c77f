//! The sentences that endings are made of: counts, what is left and in flight, and commands to go on with.

use console::measure_text_width;
use jiff::Timestamp;

use super::{
    blocked::SOON, commands::Commands, ending::Closing, failure::Failures, fit, history::Fate, in_flight::Stage,
    progress::Progress, wording,
};
use crate::{
    domain::{PodRef, Undrainable, short},
    engine::event::{Member, Stuck},
};

/// What a run has to say about itself when it is over.
pub(super) struct Says<'a> {
    pub(super) progress: &'a Progress,
    pub(super) closing: &'a Closing,
    pub(super) width: Option<usize>,
    pub(super) now: Timestamp,
}

/// Before a command on a line of its own.
const COMMAND: &str = "    ";

impl Says<'_> {
    pub(super) fn fault(&self, what: &str) -> Vec<String> {
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

    pub(super) fn group(&self) -> String {
        self.progress.history.group.as_ref().map_or_else(|| "the group".to_owned(), ToString::to_string)
    }

    pub(super) fn nodes(&self) -> String {
        wording::count(self.progress.done, "node")
    }

    pub(super) fn took(&self) -> String {
        short(self.progress.elapsed(self.now))
    }

    /// Nodes that went so that the group has its size again.
    pub(super) fn gone(&self) -> Vec<&str> {
        let nodes = self.progress.history.replaced().filter(|node| self.progress.is_shed(&node.member));
        nodes.map(|node| super::told::called(&node.member, &self.progress.names)).collect()
    }

    pub(super) fn numbers(&self) -> String {
        let history = &self.progress.history;
        // What happened before it was resumed is in the journal, not in what was seen here.
        let since = if history.resumed > 0 { " since it was resumed" } else { "" };
        let moved = wording::moved(history.moved(), history.deleted.len());
        let said = format!("{moved}{since}, {} refused", wording::count(history.refused, "eviction"));
        let longest = history.waits.longest(self.now).filter(|wait| wait.took >= SOON);
        match longest {
            Some(wait) => format!("{said}; longest wait {} for {}", short(wait.took), wait.what),
            None => said,
        }
    }

    /// That the group keeps the extra nodes of the run, and who gives them back.
    pub(super) fn larger(&self) -> Option<String> {
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
        Some(format!("the group's desired size stays {} instead of {}{max}{back}", now.desired, before.desired))
    }

    /// What is new, what is left, what is in flight.
    pub(super) fn state(&self) -> String {
        let progress = self.progress;
        let mut parts = vec![wording::are(progress.done, progress.total, "old node", "replaced")];
        for node in &progress.history.nodes {
            let now = match node.fate {
                Fate::Released => match node.cordoned_by_other {
                    Some(false) => "serves again",
                    Some(true) => "is given back and stays cordoned by somebody else",
                    None => "is given back",
                },
                Fate::Quarantined => "stays cordoned (quarantined)",
                Fate::InFlight | Fate::Replaced | Fate::Lost => continue,
            };
            parts.push(format!("{} {now}", super::told::called(&node.member, &progress.names)));
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
    pub(super) fn again(&self, when: &str) -> Vec<String> {
        let commands = &self.closing.commands;
        if !commands.resumable() {
            return self.command("Next (the sandbox starts again)", &commands.begin(""));
        }
        if !self.progress.touched {
            return self.command(&format!("Next, {when}"), &commands.begin(""));
        }
        let on = if when.contains("go on") { "" } else { " (goes on where it stopped)" };
        let mut lines = self.command(&format!("Next, {when}{on}"), &commands.upgrade(""));
        lines.extend(self.command("  or, to undo what this run did (new nodes stay)", &commands.abort()));
        lines
    }

    pub(super) fn undo_again(&self, when: &str) -> Vec<String> {
        self.command(&format!("Next, {when}"), &self.closing.commands.abort())
    }

    /// A command that can be pasted: on a line of its own where it does not fit beside what it is for.
    pub(super) fn command(&self, what: &str, command: &str) -> Vec<String> {
        let line = format!("{what}: {command}");
        match self.width {
            Some(width) if measure_text_width(&line) > width => vec![format!("{what}:"), format!("{COMMAND}{command}")],
            Some(_) | None => vec![line],
        }
    }

    /// Sentences are broken between words; what is to be pasted is not broken at all.
    pub(super) fn fitted(&self, lines: Vec<String>) -> Vec<String> {
        let Some(width) = self.width else { return lines };
        let whole = |line: &str| {
            ["fix ", "either ", "or ", "later ", "kubectl ", "mngup ", "aws ", "# "]
                .iter()
                .any(|word| line.trim_start().starts_with(word))
        };
        lines.into_iter().flat_map(|line| if whole(&line) { vec![line] } else { fit::hang(&line, width) }).collect()
    }

    pub(super) fn report(&self) -> Vec<String> {
        let journal = self.closing.journal.as_ref();
        journal.map_or_else(Vec::new, |path| self.command("The report", &Commands::report(Some(path))))
    }

    /// The pods that lost their budget's protection, by name.
    /// Whom force or `--disable-eviction` sent away, and who went down with a node for all that.
    pub(super) fn deleted(&self) -> Vec<String> {
        let history = &self.progress.history;
        let deleted: Vec<_> = history.deleted.iter().map(|deleted| deleted.pod.clone()).collect();
        let lost: Vec<_> = history.went_down.iter().map(|(pod, _)| pod.clone()).collect();
        let told = |pods: &[PodRef], what: &str| {
            let (count, names) = (wording::pod_count(pods), wording::pod_names(pods));
            (!pods.is_empty()).then(|| format!("{count} {what}: {names}"))
        };
        let lines =
            [told(&deleted, "deleted without asking a budget"), told(&lost, "went down with the node, by force")];
        lines.into_iter().flatten().collect()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        let failures = Failures {
            names: &self.progress.names,
            commands: &self.closing.commands,
            width: self.width,
            now: self.now,
            diagnosed: &self.progress.diagnosed,
        };
        let nobody = |why: &Stuck| match why {
            Stuck::PodEviction { .. } | Stuck::NodeCreation { .. } => format!("an extra node of {}", self.group()),
            // What nobody may do is about no node.
            Stuck::Refused { .. } => self.group(),
        };
        let stuck = self.progress.history.stuck.iter();
        let stuck = stuck.map(|(who, why)| (who.as_ref().map_or_else(|| nobody(why), Member::title), why));
        let stuck: Vec<_> = stuck.collect();
        failures.lines(&stuck)
    }

    /// That other nodes are old still.
    pub(super) fn left_out(&self) -> Option<String> {
        let left_out = self.closing.left_out;
        let remain = if left_out == 1 { "remains" } else { "remain" };
        let nodes = wording::count(left_out, "old node");
        (left_out > 0).then(|| format!("{nodes} {remain}: only those named with --node were to be replaced"))
    }

    /// Why no more nodes may be quarantined, where that ended the run, and who gives those back that are.
    pub(super) fn quarantine_full(&self) -> Option<String> {
        let policy = self.progress.policy().filter(|policy| policy.undrainable == Undrainable::Quarantine)?;
        let quarantined = u32::try_from(self.progress.quarantined.len()).unwrap_or(u32::MAX);
        let limit = policy.max_quarantined;
        let back = if self.closing.commands.resumable() {
            "; a run that goes on tries them again, abort uncordons them"
        } else {
            ""
        };
        // One that was given back, and not quarantined any more, was one too many.
        let full = self.progress.history.stuck.iter().filter(|(who, _)| who.is_some()).count()
            > self.progress.quarantined.len();
        let why = if full && quarantined >= limit {
            let limit_said = wording::count(limit, "quarantined node");
            format!("the limit of {limit_said} is reached (--max-quarantined {limit})")
        } else if quarantined > 0 {
            let nodes = wording::count(quarantined, "quarantined node");
            format!("{nodes} and what else is out leave no room for another (--max-unavailable, --max-surge)")
        } else {
            return None;
        };
        Some(format!("{why}{back}"))
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::{
        engine::event::{Event, RunOutcome},
        report::fixtures::{Tale, blocked, prod, said, said_of},
    };

    #[test]
    fn a_group_that_stays_larger_says_so_and_who_gives_that_back() {
        let mut tale = blocked();
        tale.end(520, RunOutcome::Interrupted, 10, 2);
        let size = crate::domain::Size { min: 3, desired: 13, max: 20 };
        let progress = Progress::of(&tale.0).at_size(Some(size));
        assert_snapshot!(said_of(&progress, prod(), None), @"
        2> nodegroup/apps stopped after 8m40s
        2> 2 of 12 old nodes are replaced; ip-10-0-1-3 stays cordoned, ip-10-0-1-4 stays
        2>   cordoned
        2> 42 pods moved, 1 eviction refused; longest wait 4m20s for pdb/shop/cart
        2> the group's desired size stays 13 instead of 12; abort gives that back, and so
        2>   does the end of the run
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, to go on where it stopped: mngup upgrade -c prod -n apps
        2>   or, to undo what this run did (new nodes stay): mngup abort -c prod -n apps
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
    fn the_command_for_the_report_is_never_cut() {
        let journal = "/home/ann/.local/state/mngup/production/nodegroup-applications/20261121T090000Z-4711.jsonl";
        let mut tale = Tale::begin(1);
        tale.roll(4, 1);
        tale.end(250, RunOutcome::Done, 0, 1);
        let closing = Closing { commands: prod(), journal: Some(journal.into()), undoing: None, left_out: 0 };
        let ending = crate::report::ending::ending(&Progress::of(&tale.0), &closing, Some(80)).unwrap();
        assert_eq!(ending.talk, ["The report:".to_owned(), format!("    mngup report {journal}")]);
    }

    #[test]
    fn a_command_that_is_too_long_stands_whole_on_a_line_of_its_own() {
        let far = ["-c", "production", "-n", "applications", "--context", "bastion-of-the-platform-team"];
        let mut tale = Tale::begin(2);
        tale.end(1, RunOutcome::Interrupted, 2, 0);
        assert_snapshot!(said(&tale, Commands::new(far.map(str::to_owned).into())), @"
        2> nodegroup/apps stopped after 1s
        2> 0 of 2 old nodes are replaced; nothing is in flight
        2> 0 pods moved, 0 evictions refused
        2> The report: mngup report /var/lib/ann/r-1121.jsonl
        2> Next, to go on where it stopped:
        2>     mngup upgrade -c production -n applications --context bastion-of-the-platform-team
        2>   or, to undo what this run did (new nodes stay):
        2>     mngup abort -c production -n applications --context bastion-of-the-platform-team
        ");
    }
}
