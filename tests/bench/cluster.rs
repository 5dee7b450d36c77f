//! A large cluster in memory, and a puppet that carries out what the engine wants until one percent is in flight.

#![allow(clippy::wildcard_imports, reason = "it is made of nearly all nouns")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use mngup::{
    domain::*,
    engine::{
        Act, Input, Rollout,
        effect::{Effect, KubeAct, Outcome},
        event::{Event, Note},
    },
};

pub const NODES: usize = 5_000;
pub const PODS_A_NODE: usize = 30;
const DAEMON_SETS: usize = 2;
const ZONES: [&str; 3] = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
/// Each app has a budget that allows nothing just now: what holds most of a drain's time, and costs the most to say.
const APPS: usize = 2_000;
const NAMESPACES: usize = 100;

pub struct Cluster {
    pub now: Timestamp,
    pub snapshot: Snapshot,
    pub run: Rollout,
    /// How many pods the snapshot holds.
    pub pods: usize,
    /// Run and snapshot when the last node was about to be chosen.
    pub before_last_choice: Option<(Rollout, Snapshot)>,
    /// Run and snapshot when all old nodes were about to be tainted.
    pub untouched: Option<(Rollout, Snapshot)>,
}

impl Cluster {
    pub fn new() -> Self {
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(500_000);
        let mut snapshot = Snapshot::default();
        for index in 0..APPS {
            snapshot.apply(Change::Pdb(Box::new(budget(index))));
        }
        for index in 0..DAEMON_SETS {
            let id = DaemonSetRef { namespace: "kube-system".to_owned(), name: format!("agent-{index}") };
            let set = DaemonSet { id, node_selectors: Vec::new(), tolerations: Vec::new() };
            snapshot.apply(Change::DaemonSet(Box::new(set)));
        }
        for index in 0..NODES {
            snapshot.apply(Change::Node(Box::new(node(index))));
        }
        for gap in [Gap::Nodes, Gap::Pdbs, Gap::DaemonSets] {
            snapshot.apply(Change::Listed(gap));
        }
        let group = group(now);
        snapshot.apply(Change::Group(Box::new(group.clone())));
        let run = Rollout::begin(intent(&group, now), &snapshot);
        Self { now, snapshot, run, pods: 0, before_last_choice: None, untouched: None }
    }

    pub fn add_all_pods(&mut self) {
        for index in 0..NODES {
            self.add_pods(index);
        }
    }

    /// Goes on until nothing is left to do at this moment.
    pub fn roll(&mut self) {
        let mut answers: Vec<Effect> = Vec::new();
        loop {
            let answer = answers.pop();
            let input = match &answer {
                Some(effect) => Input::Answer { effect, outcome: &Outcome::Done },
                None => Input::Tick,
            };
            let mut decision = self.run.decide(self.now, &self.snapshot, input);
            if decision.events.iter().any(|event| matches!(event, Event::NodeChosen { .. })) {
                self.before_last_choice = Some((self.run.clone(), self.snapshot.clone()));
            }
            let quiet = decision.events.is_empty() && decision.acts.is_empty() && answer.is_none();
            for event in decision.events.drain(..) {
                self.run.evolve(self.now, &event);
            }
            if decision.acts.len() >= NODES {
                self.untouched = Some((self.run.clone(), self.snapshot.clone()));
            }
            let unlisted: Vec<_> =
                decision.watch.pods_on.iter().filter(|name| !self.snapshot.knows_pods_of(name)).cloned().collect();
            for name in &unlisted {
                self.add_pods(number(name));
            }
            answers.extend(decision.acts.into_iter().filter_map(|act| self.carry_out(act)));
            if quiet && unlisted.is_empty() && answers.is_empty() {
                break;
            }
        }
        // Beyond the time in which what was done may not be seen yet.
        self.now = later(self.now, Duration::from_secs(10));
    }

    /// The pods of a node in flight.
    pub fn pods_in_flight(&self) -> Vec<Pod> {
        let names = self.run.flights().values().filter_map(|flight| flight.member.node.as_ref());
        let pods = names.flat_map(|name| self.snapshot.pods_on(name)).filter(|pod| !pod.is_daemon());
        pods.cloned().collect()
    }

    /// Returns the act when its answer is yet to be told.
    fn carry_out(&mut self, Act { effect, notes }: Act) -> Option<Effect> {
        for note in notes {
            self.run.evolve(self.now, &Event::Noted(note));
        }
        if let Effect::Kube(KubeAct::PatchNode(name, patch)) = &effect {
            let mut node = self.snapshot.node(name).expect("it is there").clone();
            node.unschedulable |= patch.unschedulable == Some(true);
            node.taints.extend((patch.pending_taint == Some(true)).then(|| PENDING_TAINT.taint()));
            node.marks.0.extend(patch.marks.iter().map(|mark| {
                let (key, value) = mark.annotation();
                (key.to_owned(), value)
            }));
            self.snapshot.apply(Change::Node(Box::new(node)));
            if patch.pending_taint.is_some() {
                // Thousands of them: taken in without a decision each.
                let key = effect.key();
                self.run.evolve(self.now, &Event::Noted(Note::Answered(key)));
                return None;
            }
        }
        Some(effect)
    }

    fn add_pods(&mut self, index: usize) {
        for place in 0..PODS_A_NODE {
            self.snapshot.apply(Change::Pod(Box::new(pod(index, place))));
        }
        self.snapshot.apply(Change::PodsListed(node_name(index)));
        self.pods += PODS_A_NODE;
    }
}

fn node_name(index: usize) -> NodeName {
    format!("ip-10-{}-{}-{}.eu-west-1.compute.internal", index / 2500, index / 50 % 50, index % 50).as_str().into()
}

fn number(name: &NodeName) -> usize {
    let parts: Vec<usize> = name.as_str().split(['-', '.']).filter_map(|part| part.parse().ok()).collect();
    parts[1] * 2500 + parts[2] * 50 + parts[3]
}

fn instance_id(index: usize) -> InstanceId {
    format!("i-0a1b2c3d4e5{index:06x}").as_str().into()
}

fn template(version: &str) -> LaunchTemplate {
    LaunchTemplate { id: "lt-0aa11bb22cc33dd44".to_owned(), version: version.to_owned() }
}

fn group(now: Timestamp) -> Group {
    let instance = |index: usize| Instance {
        id: instance_id(index),
        zone: ZONES[index % ZONES.len()].into(),
        lifecycle: Lifecycle::InService,
        healthy: true,
        template: Some(template("1")),
        instance_type: "m6i.large".to_owned(),
        protected: false,
        no_node: false,
    };
    let desired = u32::try_from(NODES).expect("it fits");
    Group {
        asg: "eks-workers-8ac7d1b2".into(),
        observed_at: now,
        size: Size { min: 1, desired, max: desired },
        counts: Counts::Instances,
        target: LaunchTarget { template: Some(template("2")), ..LaunchTarget::default() },
        instances: (0..NODES).map(instance).map(|one| (one.id.clone(), one)).collect(),
        suspended: BTreeSet::new(),
        operator: None,
        instance_refresh: None,
        zones: ZONES.iter().map(|zone| Zone::from(*zone)).collect(),
        activities: Vec::new(),
        nodegroup: None,
    }
}

fn node(index: usize) -> Node {
    let zone = ZONES[index % ZONES.len()];
    let labels = [
        ("eks.amazonaws.com/nodegroup", "workers"),
        ("kubernetes.io/arch", "amd64"),
        ("node.kubernetes.io/instance-type", "m6i.large"),
        ("topology.kubernetes.io/zone", zone),
    ];
    Node {
        name: node_name(index),
        instance: Some(instance_id(index)),
        kind: NodeKind::Instance,
        zone: Some(zone.into()),
        created_at: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(i64::try_from(index).expect("it fits")),
        deleting_since: None,
        finalizers: Vec::new(),
        ready: Readiness::Ready,
        ready_since: None,
        unschedulable: false,
        cordoned_at: None,
        taints: Vec::new(),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        marks: Marks::default(),
        shielded: false,
        kubelet_version: "v1.35.3-eks-0abcdef".to_owned(),
        extended: BTreeMap::new(),
        volumes: Vec::new(),
    }
}

fn namespace(app: usize) -> String {
    format!("team-{}", app % NAMESPACES)
}

fn pod(node: usize, place: usize) -> Pod {
    let app = (node * PODS_A_NODE + place) % APPS;
    let daemon = place < DAEMON_SETS;
    let (namespace, name, owner) = if daemon {
        let set = format!("agent-{place}");
        ("kube-system".to_owned(), format!("{set}-{node:05}"), Owner { kind: "DaemonSet".to_owned(), name: set })
    } else {
        let set = format!("app-{app}-7d9c5b6f4");
        (namespace(app), format!("{set}-{node:05}-{place}"), Owner { kind: "ReplicaSet".to_owned(), name: set })
    };
    let labels = [("app", format!("app-{app}")), ("pod-template-hash", "7d9c5b6f4".to_owned())];
    Pod {
        id: PodRef { namespace, name, uid: Uid::new(format!("8f4b2c1e-0000-4000-{place:04x}-{node:012x}")) },
        node: Some(node_name(node)),
        owner: Some(owner),
        phase: PodPhase::Running,
        ready: true,
        ready_since: None,
        created_at: Timestamp::UNIX_EPOCH,
        deletion: None,
        mirror: false,
        no_scale_down: None,
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        tolerations: Vec::new(),
        grace_seconds: 30,
        finalizers: Vec::new(),
        local_data: false,
        claims: Vec::new(),
        trouble: None,
    }
}

fn budget(app: usize) -> Pdb {
    let expected = i32::try_from(NODES * PODS_A_NODE / APPS).expect("it fits");
    let label = format!("app-{app}");
    Pdb {
        id: PdbRef { namespace: namespace(app), name: label.clone() },
        revision: "1".to_owned(),
        generation: 1,
        spec_changed_at: None,
        selector: Selector::labels([("app", label.as_str())]),
        rule: PdbRule::MaxUnavailable(IntOrPercent::Int(1)),
        unhealthy: UnhealthyPolicy::IfHealthyBudget,
        status: PdbStatus {
            observed_generation: 1,
            allowed: 0,
            current: expected - 1,
            desired: expected - 1,
            expected,
            ..PdbStatus::default()
        },
    }
}

fn intent(group: &Group, now: Timestamp) -> Intent {
    let policy = Policy {
        max_unavailable: Some(IntOrPercent::Percent(1)),
        max_surge: Some(IntOrPercent::Int(0)),
        ..Policy::default()
    };
    Intent {
        schema: INTENT_SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run: "run-1".into(),
        cluster: "prod".into(),
        group: GroupName::Nodegroup("workers".into()),
        started_at: now,
        operator: Operator { user: "ada".to_owned(), host: "laptop".to_owned() },
        size: group.size,
        old: group.size.desired,
        limits: Limits::resolve(&policy, group, group.size.desired).expect("one percent may move"),
        policy,
        surge: 0,
        raised_max: None,
        suspended_az_rebalance: false,
        state: IntentState::Rolling,
    }
}
