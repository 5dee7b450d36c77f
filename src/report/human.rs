//! Lines for people: one a fact, what is waited for, and the last lines.

use std::collections::BTreeSet;

use console::measure_text_width;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    bars,
    blocked::Blocked,
    ending::{Closing, ending},
    fit,
    paint::{Paint, Tone},
    paper::Paper,
    progress::Progress,
    reporter::Reporter,
    screen::Screen,
    told::{Told, told},
};
use crate::{domain::Size, engine::event::Record};

/// Writes lines for people.
pub struct Human {
    paper: Box<dyn Paper>,
    progress: Progress,
    closing: Closing,
    facts: bool,
    clock: bool,
    zone: TimeZone,
    answer: Paint,
    talk: Paint,
    blocked: Blocked,
    warned: BTreeSet<(String, String, String)>,
}

impl Human {
    /// Writes on this paper; `closing` holds what the last lines need beyond the records.
    pub fn new(paper: impl Paper + 'static, screen: &Screen, closing: Closing) -> Self {
        Self {
            paper: Box::new(paper),
            progress: if closing.undoing.is_some() { Progress::undoing() } else { Progress::default() },
            closing,
            facts: true,
            clock: !screen.bars,
            zone: screen.zone.clone(),
            answer: Paint(screen.color_stdout),
            talk: Paint(screen.color_stderr),
            blocked: Blocked::default(),
            warned: BTreeSet::new(),
        }
    }

    /// Leaves the plain facts away, for a stdout that tells them in another form.
    #[must_use]
    pub fn without_facts(mut self) -> Self {
        self.facts = false;
        self
    }

    fn say(&mut self, at: Timestamp, told: &Told) {
        if told.answer && !self.facts {
            return;
        }
        // An act that fails is tried again every few seconds; saying it once is enough.
        let warning = (told.subject.clone(), told.verb.clone(), told.detail.clone());
        if !told.answer && !self.warned.insert(warning) {
            return;
        }
        let paint = if told.answer { self.answer } else { self.talk };
        // Nodes are told in columns; padded first and coloured after that, since escape codes have no width.
        let columns = told.subject.starts_with("node/") && !told.detail.is_empty();
        let verb = if columns { format!("{:<10}", told.verb) } else { told.verb.clone() };
        let words = [told.subject.clone(), paint.tone(told.tone, &verb), told.detail.clone()];
        let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        self.write(at, told.answer, &line);
    }

    fn write(&mut self, at: Timestamp, answer: bool, line: &str) {
        let line = if self.clock { format!("{} {line}", self.time(at)) } else { line.to_owned() };
        // A file keeps one line a fact; on a terminal a long one is broken where it reads well.
        let lines = match self.paper.room() {
            Some((width, _)) if measure_text_width(&line) > width => fit::hang(&line, width),
            Some(_) | None => vec![line],
        };
        for line in lines {
            if answer { self.paper.answer(&line) } else { self.paper.talk(&line) }
        }
    }

    fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    /// Says what is waited for, unless bars show it.
    fn say_waits(&mut self, now: Timestamp) {
        if self.paper.room().is_some() {
            return;
        }
        for line in self.blocked.due(&self.progress, now) {
            let line = self.talk.tone(Tone::Warn, &line);
            self.write(now, false, &line);
        }
    }

    fn redraw(&mut self, now: Timestamp) {
        if let Some((width, height)) = self.paper.room() {
            let lines = bars::draw(&self.progress, now, width, height, self.talk);
            self.paper.draw(&lines);
        }
    }
}

impl Reporter for Human {
    fn record(&mut self, record: &Record) {
        self.progress.record(record);
        if let Some(told) = told(&record.event, &self.progress) {
            self.say(record.at, &told);
        }
        self.say_waits(record.at);
        self.redraw(record.at);
    }

    fn tick(&mut self, now: Timestamp) {
        self.say_waits(now);
        self.redraw(now);
    }

    fn size(&mut self, size: Option<Size>) {
        self.progress.size = size;
    }

    fn finish(&mut self) {
        self.paper.clear();
        let width = self.paper.room().map(|(width, _)| width);
        let Some(ending) = ending(&self.progress, &self.closing, width) else { return };
        if width.is_some() {
            self.paper.talk("");
        }
        for (index, line) in ending.answer.iter().enumerate() {
            let paint = if self.facts { self.answer } else { self.talk };
            let line = if index == 0 { paint.bold(line) } else { line.clone() };
            if self.facts { self.paper.answer(&line) } else { self.paper.talk(&line) }
        }
        for line in &ending.talk {
            let tone = if line.contains("Failure: ") { Tone::Bad } else { Tone::Plain };
            self.paper.talk(&self.talk.tone(tone, line));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::{
        engine::{
            effect::EffectKey,
            event::{Event, RunOutcome},
            waiting::WaitingOn,
        },
        report::{
            Commands, JsonLines, Notes,
            fixtures::{Tale, blocked, budget, failed, member, node, pod},
        },
    };

    fn told_plainly(tale: &Tale) -> String {
        let notes = Notes::default();
        let screen = Screen {
            stdout_terminal: false,
            stderr_terminal: false,
            bars: false,
            color_stdout: false,
            color_stderr: false,
            zone: TimeZone::UTC,
        };
        let commands = Commands::new(["-c", "prod", "-n", "apps"].map(str::to_owned).into());
        let mut human =
            Human::new(notes.clone(), &screen, Closing { commands, journal: None, undoing: None, left_out: 0 });
        for record in &tale.0 {
            human.record(record);
        }
        human.finish();
        notes.text()
    }

    #[test]
    fn without_a_terminal_each_fact_is_one_line_with_its_time() {
        let mut tale = Tale::begin(1);
        tale.cordon(4, 1);
        tale.pods(5, 1, 2);
        tale.drained(42, 1, 2);
        tale.tell(102, Event::Terminating { member: member(1), decrement: false });
        tale.tell(120, Event::InstanceLeft { member: member(1), ours: true });
        let (new, instance) = (node(4, 22), "i-0new");
        let took = Duration::from_secs(124);
        let replaces = Some(member(1));
        tale.tell(250, Event::Serves { node: new.clone(), instance: instance.into(), replaces, took });
        tale.tell(250, Event::Replaced { member: member(1), by: Some(new), took: Duration::from_secs(246) });
        tale.tell(251, Event::AzRebalance { suspended: false });
        tale.end(252, RunOutcome::Done, 0, 1);
        assert_snapshot!(told_plainly(&tale), @"
        09:00:01 nodegroup/apps AZRebalance suspended
        09:00:01 nodegroup/apps grows to 13 nodes (+1) while it is upgraded
        09:00:04 node/ip-10-0-1-1.eu-west-1.compute.internal cordoned
        09:00:05 pod/shop/web-1-0 evicted from ip-10-0-1-1
        09:00:06 pod/shop/web-1-1 evicted from ip-10-0-1-1
        09:00:42 node/ip-10-0-1-1.eu-west-1.compute.internal drained    2 pods in 38s
        09:02:00 node/ip-10-0-1-1.eu-west-1.compute.internal terminated i-0f3a01
        09:04:10 node/ip-10-0-4-22.eu-west-1.compute.internal serves     for ip-10-0-1-1, 2m04s after its launch
        09:04:10 node/ip-10-0-1-1.eu-west-1.compute.internal replaced   1 of 1 in 4m06s
        09:04:11 nodegroup/apps AZRebalance resumed
        nodegroup/apps upgraded: 1 node in 4m12s
        2 pods moved, 0 evictions refused
        ");
    }

    #[test]
    fn a_wait_is_told_on_stderr_with_its_time() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 3);
        let on = || vec![WaitingOn::Budget(Box::new(budget()))];
        tale.waits(10, 3, 4, on(), Some(3));
        tale.waits(20, 3, 4, on(), Some(2));
        tale.waits(70, 3, 4, on(), Some(2));
        let mut more = on();
        more.push(WaitingOn::Unmanaged { pod: pod("shell") });
        tale.waits(80, 3, 4, more, Some(2));
        tale.waits(81, 3, 4, vec![WaitingOn::PodsStopping { pods: vec![pod("shell")], due: None }], Some(1));
        assert_snapshot!(told_plainly(&tale), @"
        09:00:01 nodegroup/apps AZRebalance suspended
        09:00:01 nodegroup/apps grows to 13 nodes (+1) while it is upgraded
        09:00:04 node/ip-10-0-1-3.eu-west-1.compute.internal cordoned
        2> 09:00:20 node/ip-10-0-1-3.eu-west-1.compute.internal waits 16s of 15m (2 pods left): pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts); holds shop/cart-5f6c2, shop/cart-8x2lq
        2> 09:01:20 node/ip-10-0-1-3.eu-west-1.compute.internal waits 1m16s of 15m (2 pods left): pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts); holds shop/cart-5f6c2, shop/cart-8x2lq
        ");
    }

    #[test]
    fn a_replayed_journal_shows_what_the_live_run_showed() {
        for tale in [blocked(), failed()] {
            let mut journal = JsonLines(Vec::new());
            for record in &tale.0 {
                journal.record(record);
            }
            let replayed = serde_json::Deserializer::from_slice(&journal.0).into_iter();
            let replayed = Tale(replayed.collect::<Result<_, _>>().unwrap());
            assert_eq!(replayed.0, tale.0);
            assert_eq!(told_plainly(&replayed), told_plainly(&tale));
        }
    }

    #[test]
    fn what_goes_wrong_again_and_again_is_said_once() {
        let mut tale = Tale::begin(3);
        for second in 4..8 {
            let act = EffectKey::Node(node(1, 2));
            tale.tell(second, Event::ActFailed { act, why: "the server does not answer".to_owned() });
        }
        tale.tell(9, Event::Warning { message: "the intent says 12 nodes, the group has 11".to_owned() });
        tale.tell(10, Event::InstanceLeft { member: member(2), ours: false });
        tale.tell(
            11,
            Event::PodLandedBack {
                pod: pod("agent-1"),
                node: node(1, 3),
                toleration: "every taint (operator Exists)".to_owned(),
            },
        );
        assert_snapshot!(told_plainly(&tale), @"
        09:00:01 nodegroup/apps AZRebalance suspended
        09:00:01 nodegroup/apps grows to 13 nodes (+1) while it is upgraded
        2> 09:00:04 node/ip-10-0-1-2.eu-west-1.compute.internal not changed yet (the server does not answer)
        2> 09:00:09 warning: the intent says 12 nodes, the group has 11
        2> 09:00:10 node/ip-10-0-1-2.eu-west-1.compute.internal lost       i-0f3a02 left the group, and not through mngup: spot, or somebody else
        2> 09:00:11 pod/shop/agent-1 landed on ip-10-0-1-3, which is cordoned: it tolerates every taint (operator Exists)
        ");
    }
}
