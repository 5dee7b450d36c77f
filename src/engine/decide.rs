//! What a run wants now. Looks and never writes; reads like the table of contents of an upgrade.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    answers, choose,
    draft::{Decision, Draft, Wait},
    effect::{Effect, Outcome},
    event::{Event, RunOutcome},
    flight, newcomers,
    phase::RunPhase,
    rollout::Rollout,
    tidy,
    waiting::WaitingOn,
};
use crate::domain::{Snapshot, later};

/// A wait that does not change is told again after this long.
const TELL_AGAIN: Duration = Duration::from_mins(1);

/// The same causes with other details (pods, a budget's arithmetic) are told again after this long.
const TELL_DETAILS: Duration = Duration::from_secs(5);

/// What the engine hears, beside what it sees.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Time passed, or something was seen.
    Tick,
    /// An act was answered.
    Answer {
        /// The act.
        effect: &'a Effect,
        /// The answer.
        outcome: &'a Outcome,
    },
    /// The user asks to stop.
    Stop,
}

impl Rollout {
    /// What the run wants now, given what is seen and heard.
    ///
    /// Pure: the same run, moment, snapshot and input make the same decision. First come events; as long as there are
    /// any, nothing is done, so that acts always follow from a settled state.
    #[must_use]
    pub fn decide(&self, now: Timestamp, snapshot: &Snapshot, input: Input<'_>) -> Decision {
        let Some(group) = snapshot.group().filter(|_| snapshot.gaps().is_empty()) else {
            return Decision { wake: Some((later(now, TELL_AGAIN), WaitingOn::Reading)), ..Decision::default() };
        };
        let mut draft = Draft::new(self, snapshot, group, now);
        if self.ended.is_some() {
            return draft.decision;
        }
        match input {
            Input::Tick => {}
            Input::Answer { effect, outcome } => answers::take(&mut draft, effect, outcome),
            Input::Stop => draft.event(Event::StopRequested),
        }
        if draft.has_events() {
            return draft.decision;
        }
        newcomers::departures(&mut draft);
        if draft.has_events() {
            return draft.decision;
        }
        newcomers::arrivals(&mut draft);
        if draft.has_events() {
            return draft.decision;
        }
        match self.phase {
            RunPhase::Preflight => tidy::preflight(&mut draft),
            RunPhase::ScaleUp => tidy::scale_up(&mut draft),
            RunPhase::Roll => roll(&mut draft),
            RunPhase::ScaleDown => tidy::scale_down(&mut draft),
            RunPhase::Done => {}
        }
        if !draft.has_events() {
            keep_watching(&mut draft);
            tell(&mut draft);
        }
        if draft.has_events() {
            draft.decision.acts.clear();
        }
        draft.decision
    }
}

fn roll(draft: &mut Draft<'_>) {
    tidy::remember(draft);
    tidy::suspend_az_rebalance(draft);
    newcomers::patience(draft);
    if draft.has_events() {
        return;
    }
    flight::step_all(draft);
    if draft.has_events() {
        return;
    }
    let census = choose::census(draft);
    tidy::soft_taints(draft, &census);
    newcomers::shields(draft);
    choose::surge(draft, &census);
    choose::next(draft, &census);
    if draft.has_events() {
        return;
    }
    if is_over(draft) {
        draft.event(Event::Phase { phase: RunPhase::ScaleDown });
    }
}

/// Pods of nodes whose turn is to come stay watched where they are already, having been looked at for the plan: another
/// request saved, and no wait when the turn comes. Not of all the thousands that a group may have.
fn keep_watching(draft: &mut Draft<'_>) {
    const NODES: usize = 32;
    let rolls = matches!(draft.run.phase, RunPhase::Preflight | RunPhase::Roll) && draft.run.stop.is_none();
    if !rolls {
        return;
    }
    let census = choose::census(draft);
    let waiting = census.candidates().filter_map(|seat| seat.member.node.as_ref());
    let known = waiting.filter(|node| draft.snapshot.knows_pods_of(node)).take(NODES);
    draft.decision.watch.pods_on.extend(known.cloned());
}

/// Whether nothing is in flight and nobody will be chosen.
fn is_over(draft: &Draft<'_>) -> bool {
    let run = draft.run;
    // What cannot even be given back must not hold the end for ever.
    let landed = flight::none_left(draft);
    let quiet = landed && run.owed.is_empty() && run.arrivals.is_empty();
    match &run.stop {
        Some(RunOutcome::ReplacementFailed | RunOutcome::Refused { .. } | RunOutcome::InvariantBroken { .. }) => {
            flight::all_safe(draft)
        }
        Some(RunOutcome::Aborted) => quiet && choose::to_shed(draft) == 0,
        Some(RunOutcome::EvictionFailed | RunOutcome::Interrupted) => landed,
        Some(RunOutcome::Done | RunOutcome::NotTakenBack { .. } | RunOutcome::Quarantined { .. }) | None => {
            quiet && draft.waits.is_empty()
        }
    }
}

/// Tells what everybody waits for, on change or once a minute.
fn tell(draft: &mut Draft<'_>) {
    let mut waits = std::mem::take(&mut draft.waits);
    for wait in waits.values_mut() {
        // Requests under way are nothing to wait for in a reader's sense.
        wait.on.retain(|on| !matches!(on, WaitingOn::Answers { .. }));
    }
    waits.retain(|_, wait| !wait.on.is_empty());
    for (who, told) in draft.run.told.iter().filter(|(who, _)| !waits.contains_key(*who)) {
        let (who, since) = (who.clone(), told.since);
        let over = Event::Waiting { who, on: Vec::new(), since, until: None, pods_left: None };
        draft.decision.events.push(over);
    }
    for (who, Wait { on, until, pods_left }) in waits {
        let told = draft.run.told.get(&who);
        let same = told.is_some_and(|told| told.on.iter().map(essence).eq(on.iter().map(essence)));
        let exactly = told.is_some_and(|told| told.on == on);
        if let Some(told) = told.filter(|_| same) {
            let again = later(told.at, if exactly { TELL_AGAIN } else { TELL_DETAILS });
            if again > draft.now {
                draft.wake_at(again, on.first().unwrap_or(&WaitingOn::Reading));
                continue;
            }
        }
        let since = told.filter(|_| same).map_or(draft.now, |told| told.since);
        draft.event(Event::Waiting { who, on, since, until, pods_left });
    }
}

/// What makes two waits the same for somebody who reads them: not which pods just now stop, nor how many are Ready.
fn essence(on: &WaitingOn) -> WaitingOn {
    let mut on = on.clone();
    match &mut on {
        WaitingOn::PodsStopping { pods, due } => {
            pods.clear();
            *due = None;
        }
        WaitingOn::Budget(view) => {
            view.pods.clear();
            view.unready.clear();
            (view.allowed, view.current, view.desired, view.expected) = (0, 0, 0, 0);
        }
        WaitingOn::Answers { count } => *count = 0,
        WaitingOn::NodesOut { available, required } => (*available, *required) = (0, 0),
        WaitingOn::LandsBack { times, pod, .. } => {
            *times = 0;
            pod.name.clear();
            pod.uid = crate::domain::Uid::new("");
        }
        WaitingOn::PodsOverdue { .. }
        | WaitingOn::TwoBudgets { .. }
        | WaitingOn::Unmanaged { .. }
        | WaitingOn::Refused { .. }
        | WaitingOn::PodList { .. }
        | WaitingOn::LoadBalancers { .. }
        | WaitingOn::Volumes { .. }
        | WaitingOn::InstanceLeaving { .. }
        | WaitingOn::Launch { .. }
        | WaitingOn::Join { .. }
        | WaitingOn::NodeReady { .. }
        | WaitingOn::DaemonSets { .. }
        | WaitingOn::ExtendedResources { .. }
        | WaitingOn::NodeTaint { .. }
        | WaitingOn::WrongTemplate { .. }
        | WaitingOn::ZoneVolumes { .. }
        | WaitingOn::GroupBusy { .. }
        | WaitingOn::NodeInterval { .. }
        | WaitingOn::Reading => {}
    }
    on
}
