//! `mngup status`: where a run is, on one screen.

use jiff::Timestamp;
use serde::Serialize;

use super::{bars, commands::Commands, fit, paint::Paint, progress::Progress, wording};
use crate::domain::{Operator, elapsed, short};

/// A run as the cluster shows it at one moment.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What it did and waits for, and the group's size.
    pub progress: Progress,
    /// Members of the new kind, and all members.
    pub new: (u32, u32),
    /// When it stopped and why, where it has.
    pub stopped: Option<(Timestamp, String)>,
    /// Who works on it now.
    pub holder: Holder,
}

/// Who works on a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// Somebody, who says so again and again.
    Somebody(Operator),
    /// Nobody, for sure.
    Nobody,
    /// It cannot be told.
    #[default]
    Unknown,
}

/// Where the run is at this moment: whose it is, how far, what its nodes wait for, and what to do next.
#[must_use]
pub fn status(state: &State, now: Timestamp, width: usize, color: bool, commands: &Commands) -> Vec<String> {
    let State { progress, new: (new, all), .. } = state;
    let history = &progress.history;
    let cluster = history.cluster.as_ref().map_or_else(String::new, |name| format!("cluster/{name}  "));
    let group = history.group.as_ref().map_or_else(|| "the group".to_owned(), ToString::to_string);
    let Some(started) = history.started_at else {
        let are_new = wording::are(*new, *all, "node", "new");
        return vec![format!("{cluster}{group}   no run: nothing is under way, and nothing is left of one"), are_new];
    };
    let phase = progress.phase.map_or_else(String::new, |phase| format!(", {phase}"));
    let began = format!("{cluster}{group}   began {} ago{phase}", short(elapsed(started, now)));
    let mut lines = fit::hang(&began, width);
    if state.stopped.is_none() {
        lines.extend(bars::draw(progress, now, width, usize::MAX, Paint(color)));
    }
    let mut facts: Vec<_> = progress.quarantined.iter().map(|node| format!("  node/{node} is quarantined")).collect();
    // The same number and words as at the end of a run.
    facts.push(wording::are(progress.done, progress.total, "old node", "replaced"));
    facts.extend(larger(progress));
    let stopped = state.stopped.as_ref();
    let stopped = stopped.map(|(at, why)| format!("stopped {} ago: {why}", short(elapsed(*at, now))));
    let goes_on = match (&state.holder, &stopped) {
        (Holder::Somebody(Operator { user, host }), _) => {
            facts.push(format!("{user}@{host} works on it"));
            false
        }
        (Holder::Nobody, None) => {
            facts.push("nobody works on it: who did has ended without a word".to_owned());
            true
        }
        (Holder::Unknown, None) => false,
        (Holder::Nobody | Holder::Unknown, Some(_)) => true,
    };
    facts.extend(stopped);
    lines.extend(facts.iter().flat_map(|fact| fit::hang(fact, width)));
    if goes_on {
        lines.push(format!("Next: {}   # goes on", commands.upgrade("")));
        lines.push(format!("  or: {}   # undoes what it did", commands.abort()));
    }
    lines
}

/// That the group is larger while the run lasts, or until it is undone.
fn larger(progress: &Progress) -> Option<String> {
    let (before, now) = progress.grown()?;
    let size = format!("the group has {} instead of {}", wording::count(now.desired, "node"), before.desired);
    let max = if now.desired > before.max {
        format!(" and a maximum of {} instead of {}", now.max, before.max)
    } else {
        String::new()
    };
    Some(format!("{size}{max} until the run has ended; abort gives that back too"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::Size;
    use crate::report::fixtures::{at, blocked};

    #[test]
    fn a_run_and_none() {
        let commands = Commands::new(["-c", "prod", "-n", "apps"].map(str::to_owned).into());
        let screen = |state: &State| status(state, at(452), 80, false, &commands).join("\n");
        let size = Size { min: 3, desired: 13, max: 20 };
        let progress = Progress::of(&blocked().0).at_size(Some(size));
        let holder = Holder::Somebody(Operator { user: "ann".to_owned(), host: "runner-7".to_owned() });
        let rolls = State { progress: progress.clone(), new: (2, 13), stopped: None, holder };
        assert_snapshot!(screen(&rolls), @"
        cluster/prod  nodegroup/apps   began 7m32s ago, roll
        ━━━━━╸──────────────────────────────────  2 of 12 nodes   7m32s   about 17m left
          ip-10-0-1-3  1a  draining     3 of 11 pods left                   3m12s of 15m
            waits for pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not
            Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts)
          ip-10-0-1-4  1b  settling     load balancers let go                  41s of 1m
        2 of 12 old nodes are replaced
        the group has 13 nodes instead of 12 until the run has ended; abort gives that
          back too
        ann@runner-7 works on it
        ");
        assert_snapshot!(screen(&State { holder: Holder::Nobody, ..rolls.clone() }), @"
        cluster/prod  nodegroup/apps   began 7m32s ago, roll
        ━━━━━╸──────────────────────────────────  2 of 12 nodes   7m32s   about 17m left
          ip-10-0-1-3  1a  draining     3 of 11 pods left                   3m12s of 15m
            waits for pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not
            Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts)
          ip-10-0-1-4  1b  settling     load balancers let go                  41s of 1m
        2 of 12 old nodes are replaced
        the group has 13 nodes instead of 12 until the run has ended; abort gives that
          back too
        nobody works on it: who did has ended without a word
        Next: mngup upgrade -c prod -n apps   # goes on
          or: mngup abort -c prod -n apps   # undoes what it did
        ");
        let why = "stopped by the user".to_owned();
        assert_snapshot!(screen(&State { progress, holder: Holder::Nobody, stopped: Some((at(392), why)), ..rolls }), @"
        cluster/prod  nodegroup/apps   began 7m32s ago, roll
        2 of 12 old nodes are replaced
        the group has 13 nodes instead of 12 until the run has ended; abort gives that
          back too
        stopped 1m ago: stopped by the user
        Next: mngup upgrade -c prod -n apps   # goes on
          or: mngup abort -c prod -n apps   # undoes what it did
        ");
        assert_snapshot!(screen(&State { new: (3, 3), ..State::default() }), @"
        the group   no run: nothing is under way, and nothing is left of one
        3 of 3 nodes are new
        ");
    }
}
