//! `mngup status`: where a run is, on one screen.

use jiff::Timestamp;

use super::{bars, paint::Paint, progress::Progress};
use crate::domain::{elapsed, short};

/// Where the run is at this moment: whose it is, how far, and what its nodes wait for.
#[must_use]
pub fn status(progress: &Progress, now: Timestamp, width: usize, color: bool) -> Vec<String> {
    let history = &progress.history;
    let cluster = history.cluster.as_ref().map_or_else(String::new, |name| format!("cluster/{name}  "));
    let group = history.group.as_ref().map_or_else(|| "the group".to_owned(), ToString::to_string);
    let Some(started) = history.started_at else {
        return vec![format!("{cluster}{group}   no run: nothing is under way, and nothing is left of one")];
    };
    let phase = progress.phase.map_or_else(String::new, |phase| format!(", {phase}"));
    let mut lines = vec![format!("{cluster}{group}   began {} ago{phase}", short(elapsed(started, now)))];
    lines.extend(bars::draw(progress, now, width, usize::MAX, Paint(color)));
    for node in &progress.quarantined {
        lines.push(format!("  node/{node} is quarantined"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::report::fixtures::{at, blocked};

    #[test]
    fn a_run_and_none() {
        let screen = |progress: &Progress| status(progress, at(452), 80, false).join("\n");
        assert_snapshot!(screen(&Progress::of(&blocked().0)), @"
        cluster/prod  nodegroup/apps   began 7m32s ago, roll
        ━━━━━╸──────────────────────────────────  2 of 12 nodes   7m32s   about 17m left
          ip-10-0-1-3  1a  draining     3 of 11 pods left                   3m12s of 15m
            waits for pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not
            Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts)
          ip-10-0-1-4  1b  settling     load balancers let go                  41s of 1m
        ");
        assert_snapshot!(screen(&Progress::default()), @"the group   no run: nothing is under way, and nothing is left of one");
    }
}
