//! Plays a world through the engine without a runtime: see, decide, act, jump to whatever comes next.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use mngup::{
    domain::*,
    engine::{
        Goal, Input, Rollout,
        effect::{Effect, Outcome, Watch},
        event::{Event, Note, Record, RunOutcome},
        invariants,
    },
    sim::{Observer, Rng, World, WorldSpec},
};

/// How a world is played.
#[derive(Clone, Debug)]
pub struct Play {
    pub policy: Policy,
    /// Of a hundred acts, before or after so many the process dies.
    pub crashes: u32,
    /// At most so often.
    pub crashes_most: u32,
    /// The user presses Ctrl-C after so long.
    pub stop_after: Option<Duration>,
}

/// How it went.
pub struct Played {
    pub world: World,
    pub outcome: RunOutcome,
    pub records: Vec<Record>,
    pub crashes: u32,
    pub before: Group,
    pub snapshot: Snapshot,
}

/// A rollout that does not end is as wrong as one that breaks something.
const PATIENCE: Duration = Duration::from_hours(24 * 2);

struct Player {
    world: World,
    observer: Observer,
    snapshot: Snapshot,
    watch: Watch,
    records: Vec<Record>,
    rng: Rng,
    crashes: u32,
}

/// Plays it to its end.
///
/// # Errors
/// A promise that was broken, or patience that ran out: a sentence, with the last events.
pub fn play(spec: WorldSpec, seed: u64, play: &Play) -> Result<Played, String> {
    let mut player = Player {
        world: World::new(spec, seed),
        observer: Observer::new(),
        snapshot: Snapshot::default(),
        watch: Watch::default(),
        records: Vec::new(),
        rng: Rng::new(seed ^ 0x6d6e_6775),
        crashes: 0,
    };
    player.see();
    let before = player.snapshot.group().expect("a world has a group").clone();
    let Some(mut run) = player.begin(play) else {
        let outcome = RunOutcome::Refused { why: "refused by preflight".to_owned() };
        return Ok(player.end(outcome, before));
    };
    let ends = later(player.world.now(), PATIENCE);
    let stop_at = play.stop_after.map(|span| later(player.world.now(), span));
    let mut stopped = false;
    let mut answers: VecDeque<(Effect, Outcome)> = VecDeque::new();
    loop {
        let now = player.world.now();
        if now > ends {
            return Err(player.said(&format!("does not end: {:?} in phase {}", run.flights(), run.phase())));
        }
        player.see();
        let stop_now = !stopped && stop_at.is_some_and(|at| at <= now);
        stopped |= stop_now;
        let answer = answers.pop_front();
        let input = match &answer {
            _ if stop_now => Input::Stop,
            Some((effect, outcome)) => Input::Answer { effect, outcome },
            None => Input::Tick,
        };
        if stop_now && let Some(answer) = &answer {
            answers.push_front(answer.clone());
        }
        let decision = player.settle(&mut run, input)?;
        if let Some(outcome) = run.ended() {
            return Ok(player.end(outcome.clone(), before));
        }
        player.watch = decision.watch;
        let acted = !decision.acts.is_empty();
        let mut crashed = false;
        for act in decision.acts {
            invariants::check(&run, &player.snapshot, &act.effect, now)
                .map_err(|violation| player.said(&format!("invariant: {violation}")))?;
            for note in act.notes {
                run.evolve(now, &Event::Noted(note));
            }
            if player.dies(play) {
                crashed = true;
                break;
            }
            let outcome = player.world.apply(&act.effect);
            if player.dies(play) {
                crashed = true;
                break;
            }
            answers.push_back((act.effect, outcome));
        }
        if crashed {
            answers.clear();
            run = player.restart(play);
            continue;
        }
        if answers.is_empty() && !acted {
            player.advance(decision.wake.map(|(moment, _)| moment), stop_at.filter(|_| !stopped));
        }
    }
}

impl Player {
    fn see(&mut self) {
        for change in self.world.observe(&mut self.observer, &self.watch) {
            self.snapshot.apply(change);
        }
    }

    fn begin(&mut self, play: &Play) -> Option<Rollout> {
        let group = self.snapshot.group()?;
        if !mngup::plan::objections(&self.snapshot, &play.policy).is_empty() {
            return None;
        }
        let limits = Limits::resolve(&play.policy, group, group.size.desired).ok()?;
        let old = mngup::plan::old_nodes(&self.snapshot, &play.policy);
        let intent = Intent {
            schema: INTENT_SCHEMA,
            version: "test".to_owned(),
            run: "run".into(),
            cluster: "sim".into(),
            group: GroupName::Asg(group.asg.clone()),
            started_at: self.world.now(),
            operator: Operator { user: "test".to_owned(), host: "test".to_owned() },
            size: group.size,
            old: u32::try_from(old.len()).expect("few"),
            policy: play.policy.clone(),
            limits,
            surge: 0,
            raised_max: None,
            suspended_az_rebalance: !group.suspended.contains(&Process::AzRebalance),
            state: IntentState::Rolling,
        };
        Some(Rollout::begin(intent, &self.snapshot))
    }

    /// Another process on another machine: it knows what the cluster remembers, and nothing else.
    fn restart(&mut self, play: &Play) -> Rollout {
        self.crashes += 1;
        let pause = Duration::from_secs(self.rng.between(1, 120).into());
        self.world.advance_to(later(self.world.now(), pause));
        self.observer = Observer::new();
        self.snapshot = Snapshot::default();
        self.watch = Watch::default();
        self.see();
        let now = self.world.now();
        match self.world.intent().cloned() {
            Some(intent) => Rollout::resume(intent.clone(), intent, Goal::Upgrade, &self.snapshot, now),
            None => self.begin(play).expect("nothing had been touched that would be refused"),
        }
    }

    fn settle(&mut self, run: &mut Rollout, mut input: Input<'_>) -> Result<mngup::engine::Decision, String> {
        let now = self.world.now();
        for _ in 0..5000 {
            let mut decision = run.decide(now, &self.snapshot, input);
            input = Input::Tick;
            if decision.events.is_empty() {
                return Ok(decision);
            }
            for event in decision.events.drain(..) {
                run.evolve(now, &event);
                if !matches!(event, Event::Noted(_)) {
                    self.records.push(Record { at: now, event });
                } else if let Event::Noted(Note::Stopping(RunOutcome::InvariantBroken { what })) = event {
                    return Err(self.said(&what));
                }
            }
        }
        Err(self.said("does not settle"))
    }

    fn dies(&mut self, play: &Play) -> bool {
        self.crashes < play.crashes_most && self.rng.between(0, 99) < play.crashes
    }

    fn advance(&mut self, wake: Option<Timestamp>, stop_at: Option<Timestamp>) {
        let now = self.world.now();
        let read = self.observer.next_read().max(later(now, Duration::from_millis(1)));
        let next = [wake, stop_at, self.world.next_event(), Some(read)].into_iter().flatten().min();
        self.world.advance_to(next.unwrap_or(read).max(later(now, Duration::from_millis(1))));
    }

    fn end(self, outcome: RunOutcome, before: Group) -> Played {
        let Self { world, records, crashes, snapshot, .. } = self;
        Played { world, outcome, records, crashes, before, snapshot }
    }

    fn said(&self, what: &str) -> String {
        let (waits, facts): (Vec<_>, Vec<_>) =
            self.records.iter().partition(|record| matches!(record.event, Event::Waiting { .. }));
        let waits = &waits[waits.len().saturating_sub(3)..];
        let facts = &facts[facts.len().saturating_sub(22)..];
        let last: Vec<_> = facts.iter().chain(waits).map(|r| format!("  {} {:?}", r.at, r.event)).collect();
        format!("{what}\nthe last events:\n{}", last.join("\n"))
    }
}
