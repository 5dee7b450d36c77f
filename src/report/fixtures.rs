//! A made-up run, for the tests of screens.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    commands::{Commands, Outside},
    ending::{Closing, ending},
    progress::Progress,
    step::Step,
    undoing::Undoing,
};
use crate::{
    domain::{
        By, Cause, Command, Diagnosis, Finding, INTENT_SCHEMA, IntOrPercent, Intent, IntentState, LaunchTemplate,
        Limits, NodeName, Object, Operator, PdbRef, PodRef, Policy, Remedy, Size, Source, Subject, later,
    },
    engine::{
        effect::Refusal,
        event::{Event, Evidence, HeldPod, Member, OldNode, Record, RunOutcome, Stuck},
        phase::RunPhase,
        waiting::{BudgetView, WaitingOn},
    },
};

/// So many seconds into the run, which began at 09:00 on a day in November.
pub(super) fn at(seconds: u64) -> Timestamp {
    later("2026-11-21T09:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
}

/// An old node: number 7 is `ip-10-0-1-7` in zone b.
pub(super) fn member(number: u8) -> Member {
    let zone = ["eu-west-1a", "eu-west-1b", "eu-west-1c"][usize::from(number % 3)];
    Member { instance: format!("i-0f3a{number:02}").as_str().into(), node: Some(node(1, number)), zone: zone.into() }
}

/// A node's name, in full.
pub(super) fn node(net: u8, number: u8) -> NodeName {
    NodeName::new(format!("ip-10-0-{net}-{number}.eu-west-1.compute.internal"))
}

/// A pod of the shop.
pub(super) fn pod(name: &str) -> PodRef {
    PodRef { namespace: "shop".to_owned(), name: name.to_owned(), uid: name.into() }
}

/// A budget that one pod uses up.
pub(super) fn budget() -> BudgetView {
    BudgetView {
        pdb: PdbRef { namespace: "shop".to_owned(), name: "cart".to_owned() },
        rule: "maxUnavailable 1".to_owned(),
        expected: 3,
        desired: 2,
        current: 2,
        allowed: 0,
        never: false,
        stale: false,
        pods: vec![pod("cart-5f6c2"), pod("cart-8x2lq")],
        unready: vec![
            "cart-7d9f on ip-10-0-1-9.eu-west-1.compute.internal not Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts)"
                .to_owned(),
        ],
    }
}

/// What was found about [`budget`].
pub(super) fn diagnosis() -> Diagnosis {
    let crashed = Object::Pod(pod("cart-7d9f"));
    let symptom = Finding::new(Cause::PdbExhausted, Object::Pdb(budget().pdb), "pdb/shop/cart allows no eviction now");
    let symptom = symptom.by(By::Arithmetic, "1 of 3 may be out and 1 is: cart-7d9f");
    let root = Finding::new(Cause::PodCrashLoop, crashed, "container app of pod/shop/cart-7d9f ends again and again");
    let root = root.by(By::Status, "CrashLoopBackOff, exit 137 OOMKilled, 9 restarts");
    let logs = Command::Kubectl("-n shop logs pod/cart-7d9f -c app --previous".to_owned());
    let root = root.remedies(vec![Remedy::look("why it ends", vec![logs])]);
    let findings = vec![Finding { under: vec![symptom], ..root }];
    Diagnosis { at: at(60), subject: Subject::Run, findings, unknown: Vec::new(), tree: Vec::new() }
}

/// A budget that can never allow.
pub(super) fn never() -> BudgetView {
    BudgetView {
        pdb: PdbRef { namespace: "odd".to_owned(), name: "ledger-guard".to_owned() },
        rule: "minAvailable 100%".to_owned(),
        expected: 2,
        desired: 2,
        current: 2,
        allowed: 0,
        never: true,
        stale: false,
        pods: vec![PodRef { namespace: "odd".to_owned(), name: "ledger-5cf9-2lmzc".to_owned(), uid: "l".into() }],
        unready: Vec::new(),
    }
}

/// The intent of the run.
pub(super) fn intent(nodes: u8) -> Intent {
    Intent {
        schema: INTENT_SCHEMA,
        version: "0.1.0".to_owned(),
        run: "r-1121-0900".into(),
        cluster: "prod".into(),
        group: crate::domain::GroupName::Nodegroup("apps".into()),
        started_at: at(0),
        operator: Operator { user: "ann".to_owned(), host: "runner-7".to_owned() },
        size: Size { min: 3, desired: u32::from(nodes), max: 20 },
        old: u32::from(nodes),
        policy: Policy::default(),
        limits: Limits {
            max_unavailable: 1,
            max_unavailable_said: IntOrPercent::Int(1),
            max_unavailable_from: Source::UpdateConfig,
            surge: 1,
            surge_said: IntOrPercent::Int(1),
            surge_from: Source::Default,
        },
        surge: 1,
        raised_max: None,
        suspended_az_rebalance: true,
        state: IntentState::Rolling,
    }
}

/// Takes notes of a run as it is told.
#[derive(Default)]
pub(super) struct Tale(pub(crate) Vec<Record>);

impl Tale {
    /// A run over so many nodes has begun.
    pub(super) fn begin(nodes: u8) -> Self {
        let evidence = Evidence::Template {
            has: LaunchTemplate { id: "lt-0a1c".to_owned(), version: "3".to_owned() },
            target: LaunchTemplate { id: "lt-0a1c".to_owned(), version: "4".to_owned() },
        };
        let old = (1..=nodes).map(|n| OldNode { member: member(n), evidence: evidence.clone() }).collect();
        let mut tale = Self::default();
        tale.tell(0, Event::RunStarted { intent: Box::new(intent(nodes)), old });
        tale.tell(1, Event::AzRebalance { suspended: true });
        tale.tell(
            1,
            Event::SurgeRequested {
                nodes: 1,
                from: 12,
                desired: 13,
                max: None,
                purpose: crate::engine::event::SurgeFor::Load,
            },
        );
        tale.tell(2, Event::Phase { phase: RunPhase::Roll });
        tale
    }

    /// Something happened.
    pub(super) fn tell(&mut self, seconds: u64, event: Event) {
        self.0.push(Record { at: at(seconds), event });
    }

    /// A node's turn came, and it is cordoned.
    pub(super) fn cordon(&mut self, seconds: u64, number: u8) {
        self.tell(
            seconds,
            Event::NodeChosen {
                member: member(number),
                available: 12,
                required: 11,
                shrink: false,
                extended: std::collections::BTreeMap::new(),
            },
        );
        self.tell(seconds, Event::NodeCordoned { node: node(1, number), ours: true });
    }

    /// So many pods leave it, one a second.
    pub(super) fn pods(&mut self, seconds: u64, number: u8, pods: u32) {
        for n in 0..pods {
            let (when, id) = (seconds + u64::from(n), pod(&format!("web-{number}-{n}")));
            self.tell(when, Event::PodEvicted { pod: id.clone(), node: node(1, number) });
            let after = Duration::from_secs(u64::from(n) + 1);
            self.tell(when + 1, Event::PodGone { pod: id, node: node(1, number), after });
        }
    }

    /// It is empty.
    pub(super) fn drained(&mut self, seconds: u64, number: u8, pods: u32) {
        let took = Duration::from_secs(38);
        self.tell(seconds, Event::NodeDrained { node: node(1, number), pods, took });
    }

    /// The whole of a node's turn, four minutes long.
    pub(super) fn roll(&mut self, seconds: u64, number: u8) {
        self.cordon(seconds, number);
        self.pods(seconds + 1, number, 14);
        self.drained(seconds + 38, number, 14);
        self.tell(seconds + 98, Event::Terminating { member: member(number), decrement: false });
        self.tell(seconds + 116, Event::InstanceLeft { member: member(number), ours: true });
        let instance = crate::domain::InstanceId::new(format!("i-0new{number:02}"));
        let new = node(4, number);
        self.tell(seconds + 120, Event::Launched { instance: instance.clone(), replaces: Some(member(number)) });
        self.tell(seconds + 200, Event::Joined { node: new.clone(), instance: instance.clone() });
        let took = Duration::from_mins(2);
        let replaces = Some(member(number));
        self.tell(seconds + 240, Event::Serves { node: new.clone(), instance, replaces, took });
        let took = Duration::from_mins(4);
        self.tell(seconds + 240, Event::Replaced { member: member(number), by: Some(new), took });
    }

    /// The node waits.
    pub(super) fn waits(&mut self, seconds: u64, number: u8, since: u64, on: Vec<WaitingOn>, pods_left: Option<u32>) {
        let until = pods_left.map(|_| at(since + 900));
        self.tell(seconds, Event::Waiting { who: member(number).title(), on, since: at(since), until, pods_left });
    }

    /// The run ended.
    pub(super) fn end(&mut self, seconds: u64, outcome: RunOutcome, left: u32, replaced: u32) {
        self.tell(seconds, Event::RunEnded { outcome, left, replaced });
    }
}

/// Two nodes done, one held by a budget, one settling.
pub(super) fn blocked() -> Tale {
    let mut tale = Tale::begin(12);
    tale.roll(4, 1);
    tale.roll(10, 2);
    tale.cordon(260, 3);
    tale.pods(261, 3, 8);
    tale.waits(275, 3, 260, vec![WaitingOn::Budget(Box::new(budget()))], Some(3));
    tale.tell(
        280,
        Event::PodRefused {
            pod: pod("cart-5f6c2"),
            node: node(1, 3),
            refusal: Refusal::Budget {
                causes: vec!["The disruption budget cart needs 2 healthy pods and has 2 currently".to_owned()],
            },
        },
    );
    tale.cordon(270, 4);
    tale.pods(271, 4, 6);
    tale.drained(411, 4, 6);
    tale.waits(411, 4, 411, vec![WaitingOn::LoadBalancers { until: at(471) }], None);
    tale
}

/// A run that a budget stopped.
pub(super) fn failed() -> Tale {
    let mut tale = Tale::begin(12);
    for number in 1..=4 {
        tale.roll(u64::from(number) * 120, number);
    }
    tale.cordon(800, 9);
    tale.pods(801, 9, 10);
    let on = WaitingOn::Budget(Box::new(never()));
    tale.waits(815, 9, 800, vec![on.clone()], Some(1));
    let held = vec![HeldPod { pod: never().pods[0].clone(), on }];
    let why = Stuck::PodEviction { after: Duration::from_mins(15), held };
    tale.tell(1700, Event::NodeStuck { member: Some(member(9)), why });
    tale.tell(1702, Event::NodeReleased { node: node(1, 9) });
    tale.end(1703, RunOutcome::EvictionFailed, 8, 4);
    tale
}

/// The last lines of this run, those for stderr marked.
pub(super) fn said(tale: &Tale, commands: Commands) -> String {
    said_of(&Progress::of(&tale.0), commands, None)
}

/// The same, of a run that is perhaps undone.
pub(super) fn said_of(progress: &Progress, commands: Commands, undoing: Option<Undoing>) -> String {
    let closing = Closing { commands, journal: Some("/var/lib/ann/r-1121.jsonl".into()), undoing, left_out: 0 };
    let ending = ending(progress, &closing, Some(80)).unwrap();
    let talked = ending.talk.iter().map(|line| format!("2> {line}").trim_end().to_owned());
    ending.answer.iter().cloned().chain(talked).collect::<Vec<_>>().join("\n")
}

/// How to reach the group of these tales.
pub(super) fn prod() -> Commands {
    let before = vec![
        Step::Say("kubectl must point to cluster prod:".to_owned()),
        Step::Perhaps("aws eks update-kubeconfig --name prod".to_owned()),
    ];
    let outside = Outside { before, auto_scaling_group: Some("eks-apps-8ac7".to_owned()), ..Outside::default() };
    Commands::new(["-c", "prod", "-n", "apps"].map(str::to_owned).into()).reaching(outside)
}
