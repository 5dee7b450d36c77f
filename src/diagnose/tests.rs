//! Each cause beside its near miss, on clusters made by hand.

mod budgets;
mod containers;
mod eks;
mod groups;
mod joins;
mod launches;
mod leaving;
mod missing;
mod newcomers;
mod nodes;
mod pending;
mod ranking;
mod refused;
mod volumes;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::*;
use crate::domain::*;

/// Everything happens at this moment, a few hours after the cluster was made.
fn now() -> Timestamp {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

fn ago(seconds: u64) -> Timestamp {
    now() - Duration::from_secs(seconds)
}

/// A cluster of two nodes, `n1` cordoned an hour ago.
struct Cluster {
    snapshot: Snapshot,
    policy: Policy,
    memory: Memory,
    dossier: Dossier,
}

impl Cluster {
    fn new() -> Self {
        let mut cluster = Self {
            snapshot: Snapshot::default(),
            policy: Policy::default(),
            memory: Memory::default(),
            dossier: Dossier::default(),
        };
        for (name, cordoned_at) in [("n1", Some(ago(3600))), ("n2", None)] {
            cluster.see(Change::Node(Box::new(node(name, cordoned_at))));
            cluster.see(Change::PodsListed(name.into()));
        }
        cluster
    }

    fn see(&mut self, change: Change) {
        self.snapshot.apply(change);
    }

    /// With a node group of these instances, each where it is in its life.
    fn group(mut self, instances: &[(&str, &str)]) -> Self {
        let template = LaunchTemplate { id: "lt-1".to_owned(), version: "2".to_owned() };
        let instance = |(id, lifecycle): &(&str, &str)| Instance {
            id: (*id).into(),
            zone: "a".into(),
            lifecycle: Lifecycle::parse(lifecycle),
            healthy: true,
            template: Some(template.clone()),
            instance_type: "m6i.large".to_owned(),
            protected: false,
            no_node: false,
        };
        let instances: BTreeMap<InstanceId, Instance> =
            instances.iter().map(|described| ((described.0).into(), instance(described))).collect();
        let leaves = |instance: &&Instance| matches!(instance.lifecycle, Lifecycle::Terminating(_));
        let desired = u32::try_from(instances.len() - instances.values().filter(leaves).count()).unwrap();
        let mut group = group(&[]);
        (group.size.desired, group.target.template, group.instances) = (desired, Some(template), instances);
        if let Some(nodegroup) = &mut group.nodegroup {
            nodegroup.role = Some("arn:aws:iam::111122223333:role/team/eks-node".to_owned());
        }
        self.see(Change::Group(Box::new(group)));
        self
    }

    /// With this answer.
    fn told(mut self, answer: Answer) -> Self {
        self.dossier.apply(now(), answer);
        self
    }

    /// With this group around its nodes.
    fn with_group(mut self, group: Group) -> Self {
        self.see(Change::Group(Box::new(group)));
        self
    }

    /// With these pods where they are.
    fn pods(mut self, pods: impl IntoIterator<Item = Pod>) -> Self {
        for pod in pods {
            self.see(Change::Pod(Box::new(pod)));
        }
        self
    }

    /// With this budget, which counts these pods.
    fn budget(mut self, pdb: Pdb, counted: impl IntoIterator<Item = Pod>) -> Self {
        let (id, counted): (_, Vec<_>) = (pdb.id.clone(), counted.into_iter().collect());
        self = self.pods(counted.iter().filter(|pod| pod.node.is_some()).cloned());
        self.see(Change::Pdb(Box::new(pdb)));
        self.see(Change::PdbPods(id, counted));
        self
    }

    fn examine(&self, subject: &Subject) -> Diagnosis {
        let old: BTreeSet<NodeName> = ["n1".into(), "n2".into()].into();
        let view = View {
            now: now(),
            snapshot: &self.snapshot,
            run: None,
            memory: &self.memory,
            policy: &self.policy,
            subject,
            old: &old,
            dossier: &self.dossier,
        };
        examine(view).diagnosis
    }

    /// What is found on the cordoned nodes, a line each.
    fn found(&self) -> Vec<String> {
        told(&self.examine(&Subject::Group))
    }
}

/// `PDB-EXHAUSTED pdb/shop/cart blocks`, what is folded under it behind.
fn told(diagnosis: &Diagnosis) -> Vec<String> {
    let line = |finding: &Finding| {
        let folded = |how: &str, findings: &[Finding]| -> String {
            let each = findings.iter().map(|finding| format!(" {how} {} {}", finding.cause, finding.object));
            each.collect::<Vec<_>>().concat()
        };
        let grade = format!("{:?}", finding.grade).to_lowercase();
        let (under, because) = (folded("<-", &finding.under), folded("because", &finding.because));
        format!("{} {} {grade}{under}{because}", finding.cause, finding.object)
    };
    diagnosis.findings.iter().map(line).collect()
}

/// A managed group that wants two instances, and these serve: all of the version before the one that it launches.
fn group(nodes: &[&str]) -> Group {
    let template = |version: &str| Some(LaunchTemplate { id: "lt-0a".to_owned(), version: version.to_owned() });
    let instances = nodes.iter().map(|node| {
        let id = InstanceId::new(format!("i-{node}"));
        let instance = Instance {
            id: id.clone(),
            zone: "a".into(),
            lifecycle: Lifecycle::InService,
            healthy: true,
            template: template("1"),
            instance_type: "m6i.large".to_owned(),
            protected: false,
            no_node: false,
        };
        (id, instance)
    });
    Group {
        asg: "workers".into(),
        observed_at: now(),
        size: Size { min: 1, desired: 2, max: 4 },
        counts: Counts::Instances,
        target: LaunchTarget { template: template("2"), ..LaunchTarget::default() },
        instances: instances.collect(),
        suspended: BTreeSet::new(),
        operator: None,
        instance_refresh: None,
        zones: ["a".into()].into(),
        activities: Vec::new(),
        nodegroup: Some(Nodegroup {
            name: "workers".into(),
            cluster: "prod".into(),
            status: NodegroupStatus::Active,
            issues: Vec::new(),
            max_unavailable: None,
            strategy: UpdateStrategy::Default,
            version: None,
            release: None,
            ami_type: None,
            capacity_type: None,
            role: None,
        }),
    }
}

fn node(name: &str, cordoned_at: Option<Timestamp>) -> Node {
    Node {
        name: name.into(),
        instance: Some(format!("i-{name}").as_str().into()),
        kind: NodeKind::Instance,
        zone: Some("a".into()),
        created_at: Timestamp::UNIX_EPOCH,
        deleting_since: None,
        finalizers: Vec::new(),
        ready: Readiness::Ready,
        ready_since: None,
        unschedulable: cordoned_at.is_some(),
        cordoned_at,
        taints: Vec::new(),
        labels: BTreeMap::new(),
        marks: Marks::default(),
        shielded: false,
        kubelet_version: "v1.33.5-eks-1".to_owned(),
        extended: BTreeMap::new(),
        volumes: Vec::new(),
    }
}

/// A pod of Deployment cart, Ready for two hours.
fn pod(name: &str, node: &str) -> Pod {
    let labels = [("app", "cart"), ("pod-template-hash", "5f6c")];
    Pod {
        id: PodRef { namespace: "shop".to_owned(), name: name.to_owned(), uid: name.into() },
        node: Some(node.into()).filter(|_| !node.is_empty()),
        owner: Some(Owner { kind: "ReplicaSet".to_owned(), name: "cart-5f6c".to_owned() }),
        phase: PodPhase::Running,
        ready: true,
        ready_since: Some(ago(7200)),
        created_at: ago(7210),
        deletion: None,
        mirror: false,
        no_scale_down: None,
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        tolerations: Vec::new(),
        grace_seconds: 30,
        finalizers: Vec::new(),
        local_data: false,
        claims: Vec::new(),
        trouble: None,
    }
}

/// The same pod, not Ready for so long, in this trouble.
fn not_ready(pod: Pod, seconds: u64, trouble: Trouble) -> Pod {
    Pod { ready: false, ready_since: Some(ago(seconds)), trouble: Some(Box::new(trouble)), ..pod }
}

fn in_container(state: ContainerState, restarts: i32) -> Trouble {
    let exit = Exit { code: 137, reason: Some("OOMKilled".to_owned()), message: None, at: Some(ago(60)) };
    let (name, image) = ("app".to_owned(), "shop/cart:2".to_owned());
    let ended_before = (restarts > 0).then_some(exit);
    let container = Container { name, image, init: false, state, ended_before, restarts, ready: false };
    Trouble { containers: vec![container], ..Trouble::default() }
}

fn waiting(reason: &str) -> ContainerState {
    ContainerState::Waiting { reason: reason.to_owned(), message: None }
}

fn crashing() -> Trouble {
    in_container(waiting("CrashLoopBackOff"), 9)
}

/// A budget over cart that allows none, and has done so for an hour.
fn budget(rule: PdbRule, expected: i32, desired: i32, current: i32) -> Pdb {
    Pdb {
        id: PdbRef { namespace: "shop".to_owned(), name: "cart".to_owned() },
        revision: "1".to_owned(),
        generation: 1,
        spec_changed_at: None,
        selector: Selector::labels([("app", "cart")]),
        rule,
        unhealthy: UnhealthyPolicy::IfHealthyBudget,
        status: PdbStatus {
            observed_generation: 1,
            allowed: (current - desired).max(0),
            current,
            desired,
            expected,
            blocked_since: (current <= desired).then(|| ago(3600)),
            ..PdbStatus::default()
        },
    }
}

fn max_unavailable(count: u32) -> PdbRule {
    PdbRule::MaxUnavailable(IntOrPercent::Int(count))
}

#[test]
fn every_cause_is_found_by_one_rule() {
    let mut found: Vec<_> = RULES.iter().flat_map(|rule| rule.causes).copied().collect();
    found.sort();
    assert_eq!(found, Cause::ALL);
}

/// What is known of the Deployment of all these pods.
fn deployment(change: impl FnOnce(&mut Workload)) -> Answer {
    let owner = Owner { kind: "Deployment".to_owned(), name: "cart".to_owned() };
    let mut known = Workload {
        replicas: Some(3),
        current: 3,
        ready: 3,
        strategy: Strategy::Surges,
        may_be_out: Some(IntOrPercent::Percent(25)),
        revision: Some(1),
        owner: None,
        managed_by: None,
        template: serde_json::json!({}),
    };
    change(&mut known);
    (Ask::Workload { namespace: "shop".to_owned(), owner }, Known::Is(Fact::Workload(Some(known))))
}

/// The VPC CNI's `DaemonSet`, behind a sidecar, which has one of its two settings already.
fn network_agent() -> Answer {
    let owner = Owner { kind: "DaemonSet".to_owned(), name: "aws-node".to_owned() };
    let env = serde_json::json!([{ "name": "WARM_IP_TARGET", "value": "5" }]);
    let containers = serde_json::json!([{ "name": "aws-eks-nodeagent" }, { "name": "aws-node", "env": env }]);
    let (_, mut known) = deployment(|known| known.template = serde_json::json!({ "containers": containers }));
    if let Known::Is(Fact::Workload(Some(known))) = &mut known {
        known.replicas = None;
    }
    (Ask::Workload { namespace: "kube-system".to_owned(), owner }, known)
}

/// How it is told to keep fewer addresses, and what takes that back.
fn fewer_spares() -> (Command, Command) {
    let set =
        |values: &str| Command::Kubectl(format!("-n kube-system set env daemonset/aws-node -c aws-node {values}"));
    (set("WARM_IP_TARGET=2 MINIMUM_IP_TARGET=10"), set("WARM_IP_TARGET=5 MINIMUM_IP_TARGET-"))
}

fn event(reason: &str, message: &str) -> KubeEvent {
    KubeEvent {
        reason: reason.to_owned(),
        message: message.to_owned(),
        warning: true,
        count: 5,
        first: Some(ago(300)),
        last: Some(ago(5)),
        reporter: "kubelet".to_owned(),
        about: None,
    }
}

fn events(object: Object, events: Vec<KubeEvent>) -> Answer {
    (Ask::Events(object), Known::Is(Fact::Events(events)))
}

/// That whoever asks this lacks a right.
fn denied(ask: Ask, right: &str) -> Answer {
    (ask, Known::Unknown(Lack::Right(right.to_owned())))
}

fn no_events(object: Object) -> Answer {
    denied(Ask::Events(object), "list events in namespace shop")
}

/// What of a finding could not be read.
fn unread(finding: &Finding) -> Vec<&str> {
    let unread = finding.evidence.iter().filter(|proof| proof.by == By::Unread);
    unread.map(|proof| proof.says.as_str()).collect()
}

/// The commands of each way out that changes something.
fn fixes(finding: &Finding) -> Vec<&Remedy> {
    finding.remedies.iter().filter(|remedy| remedy.kind == RemedyKind::Fix).collect()
}

fn line(command: &Command) -> &str {
    match command {
        Command::Kubectl(line) | Command::Upgrade(line) | Command::Aws(line) => line,
    }
}
