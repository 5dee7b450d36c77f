//! A summary for people.

use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    alike::alike,
    fit,
    history::Fate,
    names::Names,
    summary::{StuckSummary, Summary},
    wording,
};
use crate::{
    domain::{NodeName, short},
    engine::event::{RunOutcome, Stuck},
};

impl Summary {
    /// The summary for people, sentences broken to fit the width if there is one.
    #[must_use]
    pub fn to_text(&self, width: Option<usize>, zone: &TimeZone) -> String {
        let mut names = Names::default();
        for node in self.nodes.iter().filter_map(|node| node.node.as_ref()) {
            names.learn(node);
        }
        let mut text = vec![self.head(zone), self.totals()];
        if !self.nodes.is_empty() {
            text.push(String::new());
            text.push(self.node_table(&names));
        }
        let blocking: Vec<_> = self.waits.iter().filter(|wait| wait.blocks).collect();
        if !blocking.is_empty() {
            text.push(String::new());
            text.push("waited for what stood in the way".to_owned());
            text.extend(blocking.iter().map(|wait| {
                let time = short(Duration::from_secs(wait.seconds));
                format!("  {time:>7}  {}  for {}", names.shorten(&wait.who), wait.what)
            }));
        }
        if !self.deleted.is_empty() {
            text.push(String::new());
            text.push("deleted without asking a budget".to_owned());
            text.extend(
                self.deleted.iter().map(|deleted| format!("  {}  from {}", deleted.pod, names.short(&deleted.node))),
            );
        }
        if !self.went_down.is_empty() {
            text.push(String::new());
            text.push("went down with its node, by force".to_owned());
            text.extend(self.went_down.iter().map(|lost| format!("  {}  with {}", lost.pod, names.short(&lost.node))));
        }
        for stuck in &self.stuck {
            text.push(String::new());
            text.extend(told_stuck(stuck, &names).into_iter().flat_map(|line| match width {
                Some(width) => fit::hang(&line, width),
                None => vec![line],
            }));
        }
        text.join("\n") + "\n"
    }

    fn head(&self, zone: &TimeZone) -> String {
        let cluster =
            self.cluster.as_ref().map_or_else(|| "cluster unknown".to_owned(), |name| format!("cluster/{name}"));
        let group = self.group.as_ref().map_or_else(|| "group unknown".to_owned(), ToString::to_string);
        let began = self.started_at.map_or_else(String::new, |at| {
            format!("  began {}", at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z"))
        });
        let resumed = match self.resumed {
            0 => String::new(),
            times => format!(", resumed {}", wording::count(times, "time")),
        };
        let sandbox = self.sandbox.as_ref().map_or_else(String::new, |world| format!("sandbox/{world}  "));
        format!("{sandbox}{cluster}  {group}{began}{resumed}")
    }

    fn totals(&self) -> String {
        let took = short(Duration::from_secs(self.seconds));
        let how = match &self.outcome {
            None => format!("not ended, {took} so far"),
            Some(outcome) => format!("{} after {took}", outcome_word(outcome)),
        };
        let left = self.left.map_or_else(String::new, |left| format!(", {left} left"));
        let named: Vec<_> = self.only.iter().map(NodeName::as_str).collect();
        let only = if named.is_empty() { String::new() } else { format!(", only --node {}", wording::list(&named)) };
        format!(
            "{how}: {} replaced{left}{only}\n{}, {} accepted, {} refused",
            wording::count(self.replaced, "node"),
            wording::moved(self.pods_moved, self.deleted.len()),
            wording::count(self.evictions, "eviction"),
            self.refusals
        )
    }

    fn node_table(&self, names: &Names) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        // A table that is a little too wide is easier to read than one whose cells are broken.
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["node", "zone", "drain", "settle", "leave", "replace", "total", "pods", "refused"]);
        for node in &self.nodes {
            let time = |seconds: Option<u64>| seconds.map_or_else(|| "-".to_owned(), |s| short(Duration::from_secs(s)));
            let name = node.node.as_ref().map_or(node.instance.as_str(), |name| names.short(name));
            table.add_row([
                name.to_owned(),
                node.zone.as_str().rsplit('-').next().unwrap_or_default().to_owned(),
                time(node.drain_seconds),
                time(node.settle_seconds),
                time(node.terminate_seconds),
                time(node.replace_seconds),
                node.total_seconds.map_or_else(|| fate(node.fate).to_owned(), |_| time(node.total_seconds)),
                node.pods.to_string(),
                node.refusals.to_string(),
            ]);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if index > 1 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

fn told_stuck(stuck: &StuckSummary, names: &Names) -> Vec<String> {
    let who = stuck.who.as_deref().unwrap_or("an extra node");
    let mut lines = vec![format!("{}: {}", stuck.name, names.shorten(who))];
    match &stuck.why {
        Stuck::PodEviction { held, .. } => lines.extend(
            held.iter().map(|held| format!("  {}: {}", held.pod, wording::cause(&held.on, names, Timestamp::MAX))),
        ),
        Stuck::NodeCreation { on, .. } => lines.push(format!("  {}", super::why::why(on, names, Timestamp::MAX))),
        Stuck::Refused { refusal, .. } => lines.push(format!("  {}", names.shorten(&refusal.to_string()))),
    }
    for kind in alike(&stuck.causes) {
        let why = kind.first.evidence.first().map_or_else(String::new, |proof| format!(": {}", proof.says));
        let others = kind.others(names).map_or_else(String::new, |others| format!("; alike: {others}"));
        lines.push(format!("  {}  {}{others}", kind.first.cause, names.shorten(&format!("{}{why}", kind.first.says))));
    }
    lines
}

fn outcome_word(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Done => "done".to_owned(),
        RunOutcome::Quarantined { nodes } => {
            format!("done with {} quarantined", wording::count(u32::try_from(nodes.len()).unwrap_or(u32::MAX), "node"))
        }
        RunOutcome::EvictionFailed => "stopped (PodEvictionFailure)".to_owned(),
        RunOutcome::ReplacementFailed => "stopped (NodeCreationFailure)".to_owned(),
        RunOutcome::Refused { why } => format!("refused ({why})"),
        RunOutcome::Interrupted => "stopped by the user".to_owned(),
        RunOutcome::Aborted => "aborted".to_owned(),
        RunOutcome::NotTakenBack { what } => format!("done, and could not take back {}", what.join(", ")),
        RunOutcome::InvariantBroken { what } => format!("stopped by a fault of mngup's ({what})"),
    }
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::InFlight => "in flight",
        Fate::Replaced => "replaced",
        Fate::Quarantined => "quarantined",
        Fate::Released => "given back",
        Fate::Lost => "lost",
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::report::fixtures::{blocked, failed};

    #[test]
    fn a_run_over_some_nodes_says_which() {
        let summary = Summary { only: vec![crate::report::fixtures::node(1, 9)], ..Summary::of(&blocked().0) };
        let text = summary.to_text(None, &TimeZone::UTC);
        assert!(text.contains("2 nodes replaced, only --node ip-10-0-1-9.eu-west-1.compute.internal\n"), "{text}");
    }

    #[test]
    fn a_run_that_a_budget_stopped() {
        assert_snapshot!(Summary::of(&failed().0).to_text(Some(80), &TimeZone::UTC), @"
        cluster/prod  nodegroup/apps  began 2026-11-21 09:00:00 UTC
        stopped (PodEvictionFailure) after 28m23s: 4 nodes replaced, 8 left
        66 pods moved, 66 evictions accepted, 0 refused

        node         zone  drain  settle  leave  replace       total  pods  refused
        ip-10-0-1-1  1b      38s      1m    18s    2m04s          4m    14        0
        ip-10-0-1-2  1c      38s      1m    18s    2m04s          4m    14        0
        ip-10-0-1-3  1a      38s      1m    18s    2m04s          4m    14        0
        ip-10-0-1-4  1b      38s      1m    18s    2m04s          4m    14        0
        ip-10-0-1-9  1a        -       -      -        -  given back    10        0

        waited for what stood in the way
              15m  node/ip-10-0-1-9  for pdb/odd/ledger-guard

        PodEvictionFailure: node/ip-10-0-1-9
          pod/odd/ledger-5cf9-2lmzc: pdb/odd/ledger-guard: minAvailable 100% of 2 pods
            = 2 must stay; 2 are Ready; 0 may leave, now and always
        ");
    }

    #[test]
    fn a_run_that_goes_on() {
        assert_snapshot!(Summary::of(&blocked().0).to_text(Some(80), &TimeZone::UTC), @"
        cluster/prod  nodegroup/apps  began 2026-11-21 09:00:00 UTC
        not ended, 6m51s so far: 2 nodes replaced
        42 pods moved, 42 evictions accepted, 1 refused

        node         zone  drain  settle  leave  replace      total  pods  refused
        ip-10-0-1-1  1b      38s      1m    18s    2m04s         4m    14        0
        ip-10-0-1-2  1c      38s      1m    18s    2m04s         4m    14        0
        ip-10-0-1-3  1a        -       -      -        -  in flight     8        1
        ip-10-0-1-4  1b    2m21s       -      -        -  in flight     6        0

        waited for what stood in the way
            2m31s  node/ip-10-0-1-3  for pdb/shop/cart
        ");
    }
}
