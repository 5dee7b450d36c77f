//! A group made by hand, and a puppet that does what the engine wants, at once and to the letter.
//!
//! Not a simulation: nothing here schedules or fails by itself. Each test sets what it is about.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use mngup::{
    domain::*,
    engine::{
        Decision, Goal, Input, Rollout,
        effect::{CloudAct, Effect, KubeAct, Outcome, Refusal},
        event::Event,
        invariants,
    },
};

pub struct Scene {
    pub now: Timestamp,
    pub snapshot: Snapshot,
    pub run: Rollout,
    pub group: Group,
    /// Every act and every event that a user would hear of, in order.
    pub log: Vec<String>,
    pub events: Vec<Event>,
    /// Acts that get another answer than done, by how their line in the log begins.
    pub answers: BTreeMap<String, Outcome>,
    /// Whether replacements come at once.
    pub replaces: bool,
    counter: u32,
    /// Of the template that the group launches from.
    pub version: u32,
}

pub const MINUTE: Duration = Duration::from_mins(1);

pub fn no_surge() -> Policy {
    Policy { max_surge: Some(IntOrPercent::Int(0)), ..Policy::default() }
}

pub fn failed(code: u16, message: &str) -> Outcome {
    Outcome::Refused(Refusal::Failed { code, message: message.to_owned() })
}

/// Another process goes on with the run, or undoes it; `change` is what the cluster remembers otherwise.
pub fn resume(scene: &mut Scene, goal: Goal, change: impl FnOnce(&mut Intent)) {
    let mut intent = scene.run.intent().clone();
    change(&mut intent);
    scene.run = Rollout::resume(intent.clone(), intent, goal, &scene.snapshot, scene.now);
}

pub fn stopped(scene: &Scene) -> IntentState {
    IntentState::Stopped { at: scene.now, why: "stopped by the user".to_owned() }
}

pub fn chosen(scene: &Scene) -> Vec<&String> {
    scene.log.iter().filter(|line| line.starts_with("choose ")).collect()
}

pub fn template(version: u32) -> LaunchTemplate {
    LaunchTemplate { id: "lt-0a".to_owned(), version: version.to_string() }
}

pub fn instance(name: &str, zone: &str, version: u32) -> Instance {
    Instance {
        id: format!("i-{name}").as_str().into(),
        zone: zone.into(),
        lifecycle: Lifecycle::InService,
        healthy: true,
        template: Some(template(version)),
        instance_type: "m6i.large".to_owned(),
        protected: false,
        no_node: false,
    }
}

pub fn node(name: &str, zone: &str) -> Node {
    Node {
        name: name.into(),
        instance: Some(format!("i-{name}").as_str().into()),
        kind: NodeKind::Instance,
        zone: Some(zone.into()),
        created_at: Timestamp::UNIX_EPOCH,
        deleting_since: None,
        finalizers: Vec::new(),
        ready: Readiness::Ready,
        ready_since: None,
        unschedulable: false,
        cordoned_at: None,
        taints: Vec::new(),
        labels: BTreeMap::new(),
        marks: Marks::default(),
        shielded: false,
        kubelet_version: "v1.33.5-eks-1".to_owned(),
        extended: BTreeMap::new(),
        volumes: Vec::new(),
    }
}

pub fn pod(name: &str, node: &str) -> Pod {
    Pod {
        id: PodRef { namespace: "shop".to_owned(), name: name.to_owned(), uid: name.into() },
        node: Some(node.into()),
        owner: Some(Owner { kind: "ReplicaSet".to_owned(), name: "web".to_owned() }),
        phase: PodPhase::Running,
        ready: true,
        ready_since: None,
        created_at: Timestamp::UNIX_EPOCH,
        deletion: None,
        mirror: false,
        no_scale_down: None,
        labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        tolerations: Vec::new(),
        grace_seconds: 30,
        finalizers: Vec::new(),
        local_data: false,
        claims: Vec::new(),
        trouble: None,
    }
}

pub fn pdb(name: &str, allowed: i32, desired: i32, expected: i32) -> Pdb {
    Pdb {
        id: PdbRef { namespace: "shop".to_owned(), name: name.to_owned() },
        revision: "1".to_owned(),
        generation: 1,
        spec_changed_at: None,
        selector: Selector::labels([("app", "web")]),
        rule: PdbRule::MinAvailable(IntOrPercent::Int(desired.unsigned_abs())),
        unhealthy: UnhealthyPolicy::IfHealthyBudget,
        status: PdbStatus {
            observed_generation: 1,
            allowed,
            current: expected,
            desired,
            expected,
            ..PdbStatus::default()
        },
    }
}

impl Scene {
    /// Old nodes `a1 a2 … b1 …`, so many in each zone, all Ready, none with pods.
    pub fn new(zones: &[(&str, u32)], policy: Policy) -> Self {
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1000);
        let mut group = Group {
            asg: "asg".into(),
            observed_at: now,
            size: Size { min: 0, desired: 0, max: 100 },
            counts: Counts::Instances,
            target: LaunchTarget { template: Some(template(2)), ..LaunchTarget::default() },
            instances: BTreeMap::new(),
            suspended: BTreeSet::new(),
            operator: None,
            instance_refresh: None,
            zones: zones.iter().map(|(zone, _)| Zone::from(*zone)).collect(),
            activities: Vec::new(),
            nodegroup: None,
        };
        let mut snapshot = Snapshot::default();
        for (zone, count) in zones {
            for index in 1..=*count {
                let name = format!("{zone}{index}");
                let instance = instance(&name, zone, 1);
                group.instances.insert(instance.id.clone(), instance);
                snapshot.apply(Change::Node(Box::new(node(&name, zone))));
                snapshot.apply(Change::PodsListed(name.as_str().into()));
                group.size.desired += 1;
            }
        }
        for gap in [Gap::Nodes, Gap::Pdbs, Gap::DaemonSets] {
            snapshot.apply(Change::Listed(gap));
        }
        snapshot.apply(Change::Group(Box::new(group.clone())));
        let limits = Limits::resolve(&policy, &group, group.size.desired).unwrap();
        let intent = Intent {
            schema: INTENT_SCHEMA,
            version: "test".to_owned(),
            run: "run-1".into(),
            cluster: "prod".into(),
            group: GroupName::Nodegroup("apps".into()),
            started_at: now,
            operator: Operator { user: "ada".to_owned(), host: "laptop".to_owned() },
            size: group.size,
            old: group.size.desired,
            policy,
            limits,
            surge: 0,
            raised_max: None,
            suspended_az_rebalance: true,
            state: IntentState::Rolling,
        };
        let run = Rollout::begin(intent, &snapshot);
        Self {
            now,
            snapshot,
            run,
            group,
            log: Vec::new(),
            events: Vec::new(),
            answers: BTreeMap::new(),
            replaces: true,
            counter: 0,
            version: 2,
        }
    }

    /// Begins the run once more, on the group as it is now.
    pub fn begin_again(&mut self) {
        let intent = Intent { size: self.group.size, ..self.run.intent().clone() };
        self.run = Rollout::begin(intent, &self.snapshot);
    }

    pub fn see(&mut self, change: Change) {
        self.snapshot.apply(change);
    }

    /// Changes a node as somebody else would.
    pub fn change_node(&mut self, name: &str, change: impl FnOnce(&mut Node)) {
        let mut node = self.snapshot.node(&name.into()).unwrap().clone();
        change(&mut node);
        self.see(Change::Node(Box::new(node)));
    }

    /// Changes the group as somebody else would, and has it read.
    pub fn change_group(&mut self, change: impl FnOnce(&mut Group)) {
        change(&mut self.group);
        self.read_group();
    }

    pub fn read_group(&mut self) {
        self.group.observed_at = self.now;
        self.snapshot.apply(Change::Group(Box::new(self.group.clone())));
    }

    pub fn after(&mut self, span: Duration) {
        self.now = later(self.now, span);
        self.read_group();
    }

    /// Decides until nothing happens any more; does nothing.
    pub fn decide(&mut self, input: Input<'_>) -> Decision {
        let mut input = input;
        for _ in 0..1000 {
            let mut decision = self.run.decide(self.now, &self.snapshot, input);
            input = Input::Tick;
            if decision.events.is_empty() {
                return decision;
            }
            for event in decision.events.drain(..) {
                self.run.evolve(self.now, &event);
                self.note(&event);
            }
        }
        panic!("does not settle; the last events: {:#?}", &self.events[self.events.len() - 5..]);
    }

    /// Decides and acts until nothing is left to do at this moment.
    pub fn settle(&mut self) {
        let mut input = Input::Tick;
        let mut answer: Option<(Effect, Outcome)>;
        for _ in 0..2000 {
            let decision = self.decide(input);
            if self.run.ended().is_some() {
                return;
            }
            answer = None;
            if let Some(act) = decision.acts.into_iter().next() {
                invariants::check(&self.run, &self.snapshot, &act.effect, self.now).unwrap();
                for note in act.notes {
                    self.run.evolve(self.now, &Event::Noted(note));
                }
                let line = self.describe(&act.effect);
                self.log.push(line.clone());
                let scripted = self.answers.iter().find(|(begin, _)| line.starts_with(begin.as_str()));
                let outcome = match scripted.map(|(_, outcome)| outcome.clone()) {
                    Some(outcome) => outcome,
                    None => {
                        self.perform(&act.effect);
                        Outcome::Done
                    }
                };
                answer = Some((act.effect, outcome));
            }
            input = match &answer {
                Some((effect, outcome)) => Input::Answer { effect, outcome },
                None => return,
            };
            let decision = self.decide(input);
            drop(decision);
            input = Input::Tick;
        }
        panic!("does not settle; the last lines: {:#?}", &self.log[self.log.len() - 10..]);
    }

    /// Goes on until the run ended, jumping from wake to wake.
    pub fn play(&mut self) {
        for _ in 0..2000 {
            self.settle();
            if self.run.ended().is_some() {
                return;
            }
            let wake = self.decide(Input::Tick).wake.map(|(moment, _)| moment);
            let next = wake.unwrap_or(later(self.now, Duration::from_secs(5)));
            self.now = next.min(later(self.now, Duration::from_secs(5)));
            self.read_group();
        }
        panic!(
            "does not end; {:?} in flight, the last lines: {:#?}",
            self.run.flights(),
            &self.log[self.log.len().saturating_sub(10)..]
        );
    }

    pub fn position(&self, line: &str) -> usize {
        self.log.iter().position(|known| known == line).unwrap_or_else(|| panic!("no \"{line}\" in {:#?}", self.log))
    }

    fn note(&mut self, event: &Event) {
        if let Event::NodeChosen { member, .. } = event {
            self.log.push(format!("choose {}", member.node.as_ref().map_or(member.instance.as_str(), |n| n.as_str())));
        }
        if !matches!(event, Event::Noted(_)) {
            self.events.push(event.clone());
        }
    }

    fn describe(&self, effect: &Effect) -> String {
        match effect {
            Effect::Kube(KubeAct::SaveIntent(_)) => "save intent".to_owned(),
            Effect::Kube(KubeAct::ForgetIntent) => "forget intent".to_owned(),
            Effect::Kube(KubeAct::PatchNode(node, patch)) => {
                let mut words = Vec::new();
                match patch.unschedulable {
                    Some(true) => words.push("cordon"),
                    Some(false) => words.push("uncordon"),
                    None => {}
                }
                words.extend((patch.excluded == Some(true)).then_some("exclude"));
                words.extend((patch.pending_taint == Some(true)).then_some("taint"));
                words.extend((patch.pending_taint == Some(false)).then_some("untaint"));
                words.extend((patch.shielded == Some(true)).then_some("shield"));
                words.extend((patch.shielded == Some(false)).then_some("unshield"));
                words.extend(patch.marks.iter().any(|m| matches!(m, NodeMark::Terminating(..))).then_some("mark"));
                words.extend(patch.marks.iter().any(|m| matches!(m, NodeMark::Quarantined(_))).then_some("quarantine"));
                format!("{} {node}", words.join("+"))
            }
            Effect::Kube(KubeAct::Evict { pod, .. }) => format!("evict {}", pod.name),
            Effect::Kube(KubeAct::DeletePod { pod, .. }) => format!("delete {}", pod.name),
            Effect::Cloud(CloudAct::Terminate { instance, decrement: false }) => format!("terminate {instance}"),
            Effect::Cloud(CloudAct::Terminate { instance, decrement: true }) => format!("shrink by {instance}"),
            Effect::Cloud(CloudAct::SetSize { desired, max }) => {
                let desired = desired.map(|step| format!("size {}", step.to));
                let max = max.map(|step| format!("max {}", step.to));
                desired.into_iter().chain(max).collect::<Vec<_>>().join(" ")
            }
            Effect::Cloud(CloudAct::SuspendAzRebalance) => "suspend AZRebalance".to_owned(),
            Effect::Cloud(CloudAct::ResumeAzRebalance) => "resume AZRebalance".to_owned(),
        }
    }

    fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::Kube(KubeAct::SaveIntent(_) | KubeAct::ForgetIntent) => {}
            Effect::Kube(KubeAct::PatchNode(name, patch)) => self.change_node(name.as_str(), |node| apply(node, patch)),
            Effect::Kube(KubeAct::Evict { pod, .. } | KubeAct::DeletePod { pod, .. }) => {
                self.see(Change::PodGone(pod.uid.clone()));
            }
            Effect::Cloud(CloudAct::Terminate { instance, decrement }) => self.terminate(instance, *decrement),
            Effect::Cloud(CloudAct::SetSize { desired, max }) => {
                let desired = desired.map_or(self.group.size.desired, |step| step.to);
                let more = desired.saturating_sub(self.group.size.desired);
                self.group.size.desired = desired;
                self.group.size.max = max.map_or(self.group.size.max, |step| step.to);
                for _ in 0..more {
                    self.launch_if_wanted();
                }
            }
            Effect::Cloud(CloudAct::SuspendAzRebalance) => drop(self.group.suspended.insert(Process::AzRebalance)),
            Effect::Cloud(CloudAct::ResumeAzRebalance) => drop(self.group.suspended.remove(&Process::AzRebalance)),
        }
        self.now = later(self.now, Duration::from_millis(10));
        self.read_group();
    }

    fn terminate(&mut self, id: &InstanceId, decrement: bool) {
        self.group.instances.remove(id);
        if let Some(name) = self.snapshot.node_of(id).map(|node| node.name.clone()) {
            self.see(Change::NodeGone(name));
        }
        if decrement {
            self.group.size.desired -= 1;
        } else {
            self.launch_if_wanted();
        }
    }

    fn launch_if_wanted(&mut self) {
        if self.replaces {
            self.launch();
        }
    }

    /// A new node in the emptiest zone, Ready at once.
    pub fn launch(&mut self) {
        self.counter += 1;
        let mut zones: BTreeMap<&Zone, usize> = self.group.zones.iter().map(|zone| (zone, 0)).collect();
        for instance in self.group.instances.values() {
            *zones.entry(&instance.zone).or_default() += 1;
        }
        let zone = zones.iter().min_by_key(|(_, count)| **count).map(|(zone, _)| (*zone).clone()).unwrap();
        let name = format!("new{}", self.counter);
        let instance = instance(&name, zone.as_str(), self.version);
        self.group.instances.insert(instance.id.clone(), instance);
        let mut node = node(&name, zone.as_str());
        node.created_at = self.now;
        self.see(Change::Node(Box::new(node)));
        self.see(Change::PodsListed(name.as_str().into()));
    }
}

fn apply(node: &mut Node, patch: &NodePatch) {
    if let Some(unschedulable) = patch.unschedulable {
        node.unschedulable = unschedulable;
    }
    match patch.excluded {
        Some(true) => drop(node.labels.insert(EXCLUDE_FROM_LOAD_BALANCERS.to_owned(), "true".to_owned())),
        Some(false) => drop(node.labels.remove(EXCLUDE_FROM_LOAD_BALANCERS)),
        None => {}
    }
    match patch.pending_taint {
        Some(true) => node.taints.push(PENDING_TAINT.taint()),
        Some(false) => node.taints.retain(|taint| *taint != PENDING_TAINT.taint()),
        None => {}
    }
    node.shielded = patch.shielded.unwrap_or(node.shielded);
    node.marks.0.retain(|key, _| !patch.unmark.contains(key));
    node.marks.0.extend(patch.marks.iter().map(|mark| {
        let (key, value) = mark.annotation();
        (key.to_owned(), value)
    }));
}
