//! `mngup status`: what a run has done and what it waits for, read from the cluster alone.

use super::{
    driver::Ports,
    observe::{look_at_pods, observe},
};
use crate::{
    domain::{Intent, Member, NodeName, Size, Snapshot},
    engine::{Goal, Input, Rollout, event::Event, phase::NodePhase, waiting::WaitingOn},
    plan,
    ports::{Clock, Cloud, Cluster, Lock, PortError},
};

/// A run as the cluster remembers it.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it means to do; none when no run left a trace.
    pub intent: Option<Intent>,
    /// The group's size now.
    pub size: Size,
    /// Members that are still old.
    pub old: u32,
    /// Members that come from the target template.
    pub new: u32,
    /// Nodes in flight, and what each waits for.
    pub flights: Vec<(Member, NodePhase, Vec<WaitingOn>)>,
    /// Nodes in quarantine.
    pub quarantined: Vec<NodeName>,
}

/// Reads it. Writes nothing and needs no lock.
///
/// # Errors
/// When group or cluster cannot be read.
pub async fn status<C: Cluster, A: Cloud, K: Clock, L: Lock>(ports: &Ports<C, A, K, L>) -> Result<Status, PortError> {
    let seen = observe(ports).await?;
    let mut snapshot = seen.snapshot;
    let Some(group) = snapshot.group() else {
        return Err(PortError::NotFound { what: "the group".to_owned(), others: Vec::new() });
    };
    let size = group.size;
    let old = group.instances.values().filter(|instance| plan::evidence(instance, group).is_some()).count();
    let new = group.instances.len() - old;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut status = Status {
        intent: seen.intent,
        size,
        old: count(old),
        new: count(new),
        flights: Vec::new(),
        quarantined: Vec::new(),
    };
    let Some(intent) = status.intent.clone() else { return Ok(status) };
    status.quarantined = snapshot
        .nodes()
        .values()
        .filter(|node| node.marks.quarantined_at().is_some())
        .map(|node| node.name.clone())
        .collect();
    // The engine itself says what it would wait for: decide, and do nothing of it.
    let mut run = Rollout::resume(intent, Goal::Upgrade, &snapshot, ports.clock.now());
    for _ in 0..2 {
        let (watch, flights) = rehearse(&mut run, &snapshot, ports.clock.now());
        status.flights = flights;
        look_at_pods(ports, &mut snapshot, &watch).await?;
    }
    Ok(status)
}

type Flights = Vec<(Member, NodePhase, Vec<WaitingOn>)>;

fn rehearse(run: &mut Rollout, snapshot: &Snapshot, now: jiff::Timestamp) -> (crate::ports::Watch, Flights) {
    let before: Vec<_> = run.flights().values().map(|flight| (flight.member.clone(), flight.phase.clone())).collect();
    let mut waits = std::collections::BTreeMap::new();
    let mut watch = crate::ports::Watch::default();
    // Bounded: each round takes a flight at most one phase further, and nothing is done in between.
    for _ in 0..16 {
        let decision = run.decide(now, snapshot, Input::Tick);
        watch = decision.watch;
        if decision.events.is_empty() {
            break;
        }
        for event in decision.events {
            if let Event::Waiting { who, on, .. } = &event {
                waits.insert(who.clone(), on.clone());
            }
            run.evolve(now, &event);
        }
    }
    let flights = before.into_iter().map(|(member, phase)| {
        let on = waits.remove(&member.title()).unwrap_or_default();
        (member, phase, on)
    });
    (watch, flights.collect())
}
