//! Going on from what the cluster remembers.

use jiff::Timestamp;

use super::{
    event::RunOutcome,
    phase::{Call, NodePhase, RunPhase},
    rollout::{Arrival, Flight, Goal, Owed, Rollout},
};
use crate::domain::{Instance, Intent, IntentState, Lifecycle, Member, Node, Process, Snapshot, later};

impl Rollout {
    /// A run that goes on from what the cluster remembers: the intent, the marks on its nodes, the group itself.
    ///
    /// `remembered` is the intent as it was read, `intent` with what was asked for now; where they differ, the cluster
    /// is told. Patience begins anew: a run that was down overnight must not fail its first node at once.
    #[must_use]
    pub fn resume(intent: Intent, remembered: Intent, goal: Goal, snapshot: &Snapshot, now: Timestamp) -> Self {
        let asked_for_all = intent.policy.all_nodes && !remembered.policy.all_nodes;
        let mut run = Self { goal, saved: Some(remembered), ..Self::begin(intent, snapshot) };
        if asked_for_all {
            // All of today: without this it would be those from before the run began.
            run.intent.started_at = now;
        }
        if goal == Goal::Abort {
            run.phase = RunPhase::Roll;
            run.stop = Some(RunOutcome::Aborted);
        }
        let Some(group) = snapshot.group() else { return run };
        // What was asked for and never got, or went again, is not claimed.
        let more = group.size.desired.saturating_sub(run.intent.size.desired);
        run.intent.surge = run.intent.surge.min(more);
        for instance in group.instances.values() {
            let node = snapshot.node_of(&instance.id);
            let member = Member {
                instance: instance.id.clone(),
                node: node.map(|n| n.name.clone()),
                zone: instance.zone.clone(),
            };
            if matches!(instance.lifecycle, Lifecycle::Terminating(_) | Lifecycle::Apart(_)) {
                continue;
            }
            if let Some(mut flight) = node.and_then(|node| run.flight_of(&member, node, now)) {
                // A node that is not old was chosen only so that the group shrinks by it.
                flight.shrink = crate::plan::evidence(instance, group).is_none() && !run.intent.policy.all_nodes;
                match flight.phase {
                    NodePhase::Quarantined => drop(run.quarantined.insert(instance.id.clone(), member)),
                    NodePhase::Cordoning
                    | NodePhase::Draining { .. }
                    | NodePhase::Settling { .. }
                    | NodePhase::Terminating { .. }
                    | NodePhase::Replacing { .. }
                    | NodePhase::Releasing => drop(run.flights.insert(instance.id.clone(), flight)),
                }
                continue;
            }
            if crate::plan::evidence(instance, group).is_some() {
                continue;
            }
            if run.came_meanwhile(node) {
                run.fresh.insert(instance.id.clone());
            }
            if run.may_not_serve_yet(instance, node, now) {
                let arrival = Arrival { replaces: None, owed_since: now, first_seen: now, joined: None, lost: 0 };
                run.arrivals.insert(instance.id.clone(), arrival);
            }
        }
        run.owed = (0..group.missing()).map(|_| Owed { replaces: None, since: now, lost: 0 }).collect();
        if run.intent.state != IntentState::Rolling {
            // A run that stopped had given AZRebalance back, unless it could not.
            run.intent.suspended_az_rebalance |= !group.suspended.contains(&Process::AzRebalance);
            run.intent.state = IntentState::Rolling;
        }
        run
    }

    /// Whether it joined since the run began, or has yet to join.
    fn came_meanwhile(&self, node: Option<&Node>) -> bool {
        node.is_none_or(|node| node.created_at >= self.intent.started_at)
    }

    /// Whether somebody has to look if it serves: what joined longer ago than a replacement may take was looked at.
    fn may_not_serve_yet(&self, instance: &Instance, node: Option<&Node>, now: Timestamp) -> bool {
        let ready = instance.lifecycle == Lifecycle::InService && node.is_some_and(Node::is_ready);
        let timeout = self.intent.policy.replacement_timeout;
        let young = node.is_some_and(|node| later(node.created_at, timeout) > now);
        !ready || young && self.came_meanwhile(node)
    }

    fn flight_of(&self, member: &Member, node: &Node, now: Timestamp) -> Option<Flight> {
        let marks = &node.marks;
        let chosen_at = marks.chosen_at()?;
        // Whoever starts a stopped run again has mended something: its quarantined nodes get another turn.
        let died = self.intent.state == IntentState::Rolling;
        if self.goal == Goal::Upgrade && died && marks.quarantined_at().is_some() {
            return Some(Flight { phase: NodePhase::Quarantined, ..Flight::new(member.clone(), chosen_at) });
        }
        let deadline = later(now, self.intent.policy.drain_timeout);
        let phase = match marks.terminating() {
            // The call may have been sent just before the end: only a younger reading of the group tells.
            Some((since, decrement)) => NodePhase::Terminating { since, decrement, call: Call::Lost { at: now } },
            None if self.goal == Goal::Abort => NodePhase::Releasing,
            None => NodePhase::Draining { deadline },
        };
        Some(Flight {
            phase,
            cordoned_at: Some(chosen_at),
            extended: node.extended.clone(),
            ..Flight::new(member.clone(), chosen_at)
        })
    }
}
