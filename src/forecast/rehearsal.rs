//! An upgrade of a simulated group, moment by moment: see, decide, act, jump to whatever comes next.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

use crate::{
    diagnose::{self, Examiner},
    domain::{
        Diagnosis, GroupName, INTENT_SCHEMA, Intent, IntentState, Limits, LimitsError, Operator, Policy, Process,
        Snapshot, Subject, later,
    },
    engine::{
        Act, Decision, Input, Rollout,
        effect::{Effect, Outcome, Watch},
        event::{Event, Record, RunOutcome},
        invariants,
    },
    plan,
    sim::{Observer, World},
};

/// An upgrade that is played.
#[derive(Debug)]
pub struct Rehearsal {
    world: World,
    observer: Observer,
    snapshot: Snapshot,
    watch: Watch,
    run: Rollout,
    answers: VecDeque<(Effect, Outcome)>,
    examiner: Examiner,
    records: Vec<Record>,
}

/// Why an upgrade cannot be played.
#[derive(Debug, Error)]
pub enum NoRehearsal {
    /// It would be refused.
    #[error("an upgrade of this world is refused: {0}")]
    Refused(String),
    /// Numbers with which nothing can move.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// A fault of mngup's own.
    #[error("a promise was broken: {0}")]
    Broken(String),
}

/// A diagnosis looks at least so often while nothing happens.
const LOOKS: Duration = Duration::from_secs(5);

/// So many rounds of events may follow one from another at one moment.
const ROUNDS: u32 = 5_000;

impl Rehearsal {
    /// An upgrade of this world that begins now.
    ///
    /// # Errors
    /// When mngup would refuse it.
    pub fn begin(mut world: World, policy: Policy) -> Result<Self, NoRehearsal> {
        let (mut observer, mut snapshot, watch) = (Observer::new(), Snapshot::default(), Watch::default());
        for change in world.observe(&mut observer, &watch) {
            snapshot.apply(change);
        }
        let objections: Vec<_> = plan::objections(&snapshot, &policy).iter().map(ToString::to_string).collect();
        let Some(group) = snapshot.group().filter(|_| objections.is_empty()) else {
            return Err(NoRehearsal::Refused(objections.join("; ")));
        };
        let old = plan::old_nodes(&snapshot, &policy);
        let intent = Intent {
            schema: INTENT_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: "rehearsal".into(),
            cluster: world.spec().cluster.as_str().into(),
            group: GroupName::Asg(group.asg.clone()),
            started_at: world.now(),
            operator: Operator { user: "mngup".to_owned(), host: "sandbox".to_owned() },
            size: group.size,
            old: u32::try_from(old.len()).unwrap_or(u32::MAX),
            limits: Limits::resolve(&policy, group, group.size.desired)?,
            policy,
            surge: 0,
            raised_max: None,
            suspended_az_rebalance: !group.suspended.contains(&Process::AzRebalance),
            state: IntentState::Rolling,
        };
        let run = Rollout::begin(intent, &snapshot);
        let (answers, examiner, records) = (VecDeque::new(), Examiner::default(), Vec::new());
        Ok(Self { world, observer, snapshot, watch, run, answers, examiner, records })
    }

    /// Plays on until that moment, or until the upgrade has ended; then the world alone goes on.
    ///
    /// # Errors
    /// A promise that was broken.
    pub fn play_until(&mut self, moment: Timestamp) -> Result<(), NoRehearsal> {
        while self.world.now() < moment && self.run.ended().is_none() {
            let wake = self.step()?;
            if self.answers.is_empty() {
                let now = self.world.now();
                let next = [wake, self.world.next_event(), Some(self.observer.next_read()), Some(later(now, LOOKS))];
                let next = next.into_iter().flatten().min().unwrap_or(moment);
                self.world.advance_to(next.max(later(now, Duration::from_millis(1))).min(moment));
            }
        }
        self.world.advance_to(moment);
        Ok(())
    }

    /// One look, and what it leads to; the moment when there is something to do again.
    fn step(&mut self) -> Result<Option<Timestamp>, NoRehearsal> {
        for change in self.world.observe(&mut self.observer, &self.watch) {
            self.snapshot.apply(change);
        }
        let decision = self.settle()?;
        let now = self.world.now();
        self.diagnose();
        self.watch = decision.watch;
        for Act { effect, notes } in decision.acts {
            invariants::check(&self.run, &self.snapshot, &effect, now)
                .map_err(|violation| NoRehearsal::Broken(violation.to_string()))?;
            for note in notes {
                self.run.evolve(now, &Event::Noted(note));
            }
            let outcome = self.world.apply(&effect);
            self.answers.push_back((effect, outcome));
        }
        Ok(decision.wake.map(|(moment, _)| moment))
    }

    /// Looks, and asks the world what it then wants to know.
    fn diagnose(&mut self) {
        for _ in 0..diagnose::limits::ROUNDS {
            let now = self.world.now();
            if let Some(found) = self.examiner.look(&self.run, &self.snapshot, now) {
                self.tell(Event::Diagnosed { diagnosis: Box::new(found) });
            }
            let open = self.examiner.open(now);
            if open.is_empty() {
                return;
            }
            let answers = open.into_iter().map(|ask| self.world.answer(ask)).collect();
            self.examiner.hear(answers, now);
        }
    }

    fn settle(&mut self) -> Result<Decision, NoRehearsal> {
        let answer = self.answers.pop_front();
        let mut input = match &answer {
            Some((effect, outcome)) => Input::Answer { effect, outcome },
            None => Input::Tick,
        };
        for _ in 0..ROUNDS {
            let mut decision = self.run.decide(self.world.now(), &self.snapshot, input);
            input = Input::Tick;
            if decision.events.is_empty() || self.run.ended().is_some() {
                return Ok(decision);
            }
            for event in decision.events.drain(..) {
                let now = self.world.now();
                if let Some(found) = self.examiner.before(&event, &self.run, &self.snapshot, now) {
                    self.tell(Event::Diagnosed { diagnosis: Box::new(found) });
                }
                self.tell(event);
            }
        }
        Err(NoRehearsal::Broken("what it wants now never settles".to_owned()))
    }

    fn tell(&mut self, event: Event) {
        let at = self.world.now();
        self.run.evolve(at, &event);
        if !matches!(event, Event::Noted(_)) {
            self.records.push(Record { at, event });
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// What was found, and when.
    pub fn diagnoses(&self) -> impl Iterator<Item = &Diagnosis> {
        self.records.iter().filter_map(|record| {
            if let Event::Diagnosed { diagnosis } = &record.event { Some(&**diagnosis) } else { None }
        })
    }

    /// All that can be found at this moment, what takes its time included.
    #[must_use]
    pub fn examine(&self, subject: &Subject) -> Diagnosis {
        self.examiner.examine(subject, &self.run, &self.snapshot, self.world.now()).diagnosis
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn ended(&self) -> Option<&RunOutcome> {
        self.run.ended()
    }

    /// The world as it is now.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, for others to go on with.
    #[must_use]
    pub fn into_world(self) -> World {
        self.world
    }
}
