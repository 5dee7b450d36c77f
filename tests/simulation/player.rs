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
    /// The process is killed after so long, or the run ended short of done, and then somebody says `mngup abort`.
    pub abort_after: Option<Duration>,
    /// The watch and the readings are up to so far behind; none sees everything at once.
    pub lag: Duration,
}

/// How it went.
pub struct Played {
    pub world: World,
    pub outcome: RunOutcome,
    pub records: Vec<Record>,
    pub crashes: u32,
    pub before: Group,
    pub snapshot: Snapshot,
    /// When the abort began, and how large the group was meant to be then.
    pub aborted: Option<(Timestamp, Size)>,
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
    goal: Goal,
    aborted: Option<(Timestamp, Size)>,
    /// The next look.
    looks_at: Timestamp,
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
        goal: Goal::Upgrade,
        aborted: None,
        looks_at: Timestamp::MIN,
    };
    player.see();
    let before = player.snapshot.group().expect("a world has a group").clone();
    let Some(mut run) = player.begin(play) else {
        let outcome = RunOutcome::Refused { why: "refused by preflight".to_owned() };
        return Ok(player.end(outcome, before));
    };
    let ends = later(player.world.now(), PATIENCE);
    let stop_at = play.stop_after.map(|span| later(player.world.now(), span));
    let abort_at = play.abort_after.map(|span| later(player.world.now(), span));
    let mut stopped = false;
    let mut answers: VecDeque<(Effect, Outcome)> = VecDeque::new();
    loop {
        let now = player.world.now();
        if now > ends {
            return Err(player.said(&format!("does not end: {:?} in phase {}", run.flights(), run.phase())));
        }
        if player.goal == Goal::Upgrade && abort_at.is_some_and(|at| at <= now) {
            answers.clear();
            match player.abort(play) {
                Some(undoing) => run = undoing,
                None => return Ok(player.end(RunOutcome::Aborted, before)),
            }
            continue;
        }
        player.look(play);
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
            let undo = abort_at.is_some() && player.goal == Goal::Upgrade && player.world.intent().is_some();
            if undo && let Some(undoing) = player.abort(play) {
                answers.clear();
                run = undoing;
                continue;
            }
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
            match player.restart(play) {
                Some(again) => run = again,
                // It died after the last act of an abort.
                None => return Ok(player.end(RunOutcome::Aborted, before)),
            }
            continue;
        }
        if answers.is_empty() && !acted {
            let abort_at = abort_at.filter(|_| player.goal == Goal::Upgrade);
            let stop_at = stop_at.filter(|_| !stopped);
            let asked = [stop_at, abort_at].into_iter().flatten().min();
            player.advance(decision.wake.map(|(moment, _)| moment), asked);
        }
    }
}

impl Player {
    fn see(&mut self) {
        for change in self.world.observe(&mut self.observer, &self.watch) {
            self.snapshot.apply(change);
        }
    }

    /// Looks, unless what happened last takes a while to be seen.
    fn look(&mut self, play: &Play) {
        let now = self.world.now();
        if play.lag > Duration::ZERO {
            if now < self.looks_at {
                return;
            }
            let most = u32::try_from(play.lag.as_millis()).expect("short");
            self.looks_at = later(now, Duration::from_millis(self.rng.between(0, most).into()));
        }
        self.see();
    }

    /// Somebody else says `mngup abort` after a while; none when nothing is left to be undone.
    fn abort(&mut self, play: &Play) -> Option<Rollout> {
        self.goal = Goal::Abort;
        let run = self.restart(play);
        let size = self.world.describe_group(false).size;
        self.aborted = Some((self.world.now(), size));
        run
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
    fn restart(&mut self, play: &Play) -> Option<Rollout> {
        self.crashes += 1;
        let pause = Duration::from_secs(self.rng.between(1, 120).into());
        self.world.advance_to(later(self.world.now(), pause));
        self.observer = Observer::new();
        self.snapshot = Snapshot::default();
        self.watch = Watch::default();
        self.looks_at = Timestamp::MIN;
        self.see();
        let now = self.world.now();
        match self.world.intent().cloned() {
            Some(intent) => Some(Rollout::resume(intent.clone(), intent, self.goal, &self.snapshot, now)),
            None if self.goal == Goal::Abort => None,
            None => Some(self.begin(play).expect("nothing had been touched that would be refused")),
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
        let read = self.observer.next_read().max(self.looks_at).max(later(now, Duration::from_millis(1)));
        let looks = Some(self.looks_at).filter(|at| *at > now);
        let next = [wake, stop_at, self.world.next_event(), Some(read), looks].into_iter().flatten().min();
        self.world.advance_to(next.unwrap_or(read).max(later(now, Duration::from_millis(1))));
    }

    fn end(self, outcome: RunOutcome, before: Group) -> Played {
        let Self { world, records, crashes, snapshot, aborted, .. } = self;
        Played { world, outcome, records, crashes, before, snapshot, aborted }
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
