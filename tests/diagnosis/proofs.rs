//! A world for each cause, and one beside it that only looks like it.

mod aws;
mod containers;
mod missing;
mod nodes;
mod pending;
mod refused;

use std::{collections::BTreeMap, time::Duration};

use mngup::{
    app::Question,
    domain::{Cause, Grade, IntOrPercent, Subject, UnhealthyPolicy},
    forecast::Rehearsal,
    sim::{
        WorldSpec,
        spec::{
            BudgetSpec, Fault, FaultKind, TolerationSpec, Topology, Trouble, TroubleKind, TroubleWith, WorkloadKind,
            WorkloadSpec,
        },
    },
};

use crate::BLOCKS;

/// What is asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// What the run waits for.
    Run,
    /// The nodes that are being emptied.
    Nodes,
    /// The group.
    Group,
}

/// When a cause begins to be in somebody's way.
#[derive(Clone, Copy)]
pub enum Begins {
    /// When a node that it holds was cordoned.
    Cordoned,
    /// When an instance began to leave, and another was owed.
    Owed,
    /// When an instance that it holds was launched.
    Launched,
    /// When that became a Node.
    Joined,
    /// When an instance that it holds, or that of a node, was on its way out.
    Left,
    /// So long after the world began.
    At(Duration),
}

/// What can stand beside a cause in one world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Whatever is in another namespace, for it is about pods of one.
    Others,
    /// Causes of pods, for it is about the group, its nodes or its launches, of which a world has one.
    Pods,
    /// Nothing: it goes away as soon as there are nodes enough for others, or it is in the way of all others.
    Nothing,
}

/// How a cause is shown.
pub struct Proof {
    pub world: WorldSpec,
    /// How its object begins.
    pub object: String,
    pub grade: Grade,
    /// The root that it is told under.
    pub under: Option<Cause>,
    /// What a controller is given by its own rules before anybody can call it late.
    pub by_nature: Duration,
    /// What is asked about.
    pub about: About,
    /// When it begins to be in somebody's way.
    pub begins: Begins,
    /// What can stand beside it in one world.
    pub beside: Beside,
    /// What is asked by somebody without a run; none asks in the middle of an upgrade.
    pub outside: Option<Question>,
    pub near_miss: WorldSpec,
}

impl Proof {
    fn new(world: WorldSpec, object: &str, near_miss: WorldSpec) -> Self {
        Self {
            world,
            object: object.to_owned(),
            grade: BLOCKS,
            under: None,
            by_nature: Duration::ZERO,
            about: About::Run,
            begins: Begins::Cordoned,
            beside: Beside::Others,
            outside: None,
            near_miss,
        }
    }

    /// The same, beside which nothing can stand.
    fn alone(self) -> Self {
        Self { beside: Beside::Nothing, ..self }
    }

    /// The same, about the group, its nodes or its launches.
    fn of_group(self) -> Self {
        Self { beside: Beside::Pods, ..self }
    }

    /// The same, with this asked about.
    fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// The same, in somebody's way from then on, though nobody could call it late for so many seconds.
    fn since(self, begins: Begins, by_nature: u64) -> Self {
        Self { begins, by_nature: Duration::from_secs(by_nature), ..self }
    }

    /// The same in another namespace.
    pub fn moved_to(mut self, namespace: &str) -> Self {
        for workload in &mut self.world.workloads {
            namespace.clone_into(&mut workload.namespace);
        }
        for fault in &mut self.world.faults {
            move_to(namespace, &mut fault.what);
        }
        self.object = self.object.replace("default", namespace);
        self
    }

    pub fn subject(&self, rehearsal: &Rehearsal) -> Subject {
        match self.about {
            About::Run => Subject::Run,
            About::Group => Subject::Group,
            About::Nodes => {
                // One whose pods are watched, for it is being emptied.
                let cordoned = rehearsal.world().group_nodes().filter(|node| node.unschedulable);
                Subject::Nodes(cordoned.map(|node| node.name.clone()).collect())
            }
        }
    }
}

/// A cause without a proof does not compile.
pub fn proof(cause: Cause) -> Proof {
    // Whoever is made anew crashes, as with a template that is broken; beside it one that does and has room to.
    let new_crash = || world(WorkloadSpec { trouble: Some(made_anew(TroubleKind::CrashLoop)), ..cart(out(1)) });
    let one_crash = || world(WorkloadSpec { trouble: Some(first(TroubleKind::CrashLoop)), ..cart(out(2)) });
    match cause {
        Cause::PdbNeverAllows => {
            let share =
                |percent| BudgetSpec { min_available: Some(IntOrPercent::Percent(percent)), ..BudgetSpec::default() };
            Proof::new(world(cart(share(100))), "pdb/default/cart", world(cart(share(50))))
        }
        Cause::PdbExhausted => {
            let proof = Proof::new(new_crash(), "pdb/default/cart", one_crash());
            Proof { under: Some(Cause::PodCrashLoop), ..proof }
        }
        Cause::PdbUnhealthyBlocks => {
            let all = |unhealthy| {
                let trouble = Some(Trouble { kind: TroubleKind::CrashLoop, with: TroubleWith::All });
                world(WorkloadSpec { trouble, ..cart(BudgetSpec { unhealthy, ..out(1) }) })
            };
            Proof::new(all(UnhealthyPolicy::IfHealthyBudget), "pod/default/cart-", all(UnhealthyPolicy::AlwaysAllow))
        }
        Cause::PdbSyncFailed => {
            let job = WorkloadSpec { kind: WorkloadKind::Job, ..cart(out(1)) };
            Proof::new(world(job), "pdb/default/cart", world(cart(out(1))))
        }
        Cause::TwoBudgets => {
            let second = |selector: Option<&str>| {
                let selector = selector.map(|app| BTreeMap::from([("app".to_owned(), app.to_owned())]));
                let tier = BudgetSpec { name: Some("tier".to_owned()), selector, ..out(1) };
                world(WorkloadSpec { budgets: vec![out(1), tier], ..cart(out(1)) })
            };
            Proof::new(second(None), "pdb/default/cart and pdb/default/tier", second(Some("other")))
        }
        Cause::PdbStaleDisrupted => {
            let sticks = FaultKind::DisruptedSticks { budget: "default/cart".to_owned() };
            Proof::new(faulty(cart(out(1)), vec![(1, sticks)]), "pdb/default/cart", world(cart(out(1))))
        }
        Cause::PdbStatusBehind => {
            let behind = |lag| {
                let budget = "default/cart".to_owned();
                let change = FaultKind::ChangeBudget {
                    budget,
                    min_available: Some(IntOrPercent::Int(1)),
                    max_unavailable: None,
                };
                faulty(cart(out(1)), vec![(1, FaultKind::BudgetLag { lag: Duration::from_secs(lag) }), (2, change)])
            };
            Proof::new(behind(36_000), "pdb/default/cart", behind(8)).alone()
        }
        Cause::LandsBack => {
            let tolerates = |key: Option<&str>| {
                let tolerations = vec![TolerationSpec { key: key.map(str::to_owned), ..TolerationSpec::default() }];
                let (replicas, anti_affinity) = (4, Some(Topology::Hostname));
                world(WorkloadSpec { tolerations, replicas, anti_affinity, budgets: Vec::new(), ..cart(out(1)) })
            };
            let near = tolerates(Some("node.kubernetes.io/not-ready"));
            Proof::new(tolerates(None), "deployment/default/cart", near).alone()
        }
        Cause::BarePod => {
            let bare = WorkloadSpec { kind: WorkloadKind::Pod, budgets: Vec::new(), ..cart(out(1)) };
            Proof::new(world(bare), "pod/default/cart", world(cart(out(1))))
        }
        Cause::LongGrace => {
            let slow = |stop| {
                let grace = Duration::from_hours(2);
                world(WorkloadSpec { grace, stop, ..cart(out(1)) })
            };
            Proof::new(slow(Duration::from_hours(1)), "pod/default/cart", slow(Duration::from_secs(20)))
        }
        Cause::StuckTerminating => {
            let stuck = WorkloadSpec { trouble: Some(first(TroubleKind::StuckTerminating)), ..cart(out(1)) };
            let slow = WorkloadSpec { stop: Duration::from_secs(28), ..cart(out(1)) };
            Proof::new(world(stuck), "pod/default/cart", world(slow))
        }
        Cause::Finalizer => {
            let kept = || WorkloadSpec { finalizers: vec!["example.com/hold".to_owned()], ..cart(out(1)) };
            let gone = FaultKind::RemoveFinalizers { workload: "default/cart".to_owned() };
            Proof::new(world(kept()), "pod/default/cart", faulty(cart(out(1)), vec![(1, gone)]))
        }
        Cause::Unexplained => {
            let refused = Some("etcdserver: mvcc: database space exceeded".to_owned());
            let full = WorkloadSpec { refused, budgets: Vec::new(), ..cart(out(1)) };
            Proof::new(world(full), "node/", world(cart(out(1))))
        }
        Cause::StaysByDesign => {
            let daemon = WorkloadSpec {
                kind: WorkloadKind::DaemonSet,
                name: "agent".to_owned(),
                ..WorkloadSpec::new(WorkloadKind::DaemonSet, "agent")
            };
            let mut with_daemon =
                world(WorkloadSpec { trouble: Some(first(TroubleKind::StuckTerminating)), ..cart(out(1)) });
            with_daemon.workloads.push(daemon);
            let proof = Proof::new(with_daemon, "node/", world(cart(out(1))));
            Proof { grade: Grade::Notes, about: About::Nodes, ..proof }
        }
        Cause::WebhookDenies => refused::webhook_denies(),
        Cause::WebhookDown => refused::webhook_down(),
        Cause::NamespaceTerminating => refused::namespace_terminating(),
        Cause::RightsEvict => refused::rights_evict(),
        Cause::ApiBusy => refused::api_busy(),
        Cause::PodCrashLoop => Proof::new(new_crash(), "pod/default/cart", one_crash()),
        Cause::PodImagePull => {
            let pull = |trouble, room| world(WorkloadSpec { trouble: Some(trouble), ..cart(out(room)) });
            let kind = TroubleKind::ImagePull;
            Proof::new(pull(made_anew(kind), 1), "pod/default/cart", pull(first(kind), 2))
        }
        Cause::PodConfigMissing => containers::made_so(TroubleKind::ConfigMissing),
        Cause::PodInitFails => containers::made_so(TroubleKind::InitFails),
        Cause::PodNoAddress => containers::made_so(TroubleKind::NoAddress),
        Cause::PodSandbox => containers::made_so(TroubleKind::Sandbox),
        Cause::PodProbeGate => containers::made_so(TroubleKind::Gate),
        Cause::Quota => missing::quota(),
        Cause::CreateRefused => missing::create_refused(),
        Cause::AutoscalerKeeps => {
            let slow = |value: &str| {
                let key = "cluster-autoscaler.kubernetes.io/safe-to-evict".to_owned();
                let annotations = BTreeMap::from([(key, value.to_owned())]);
                let trouble = Some(first(TroubleKind::StuckTerminating));
                world(WorkloadSpec { annotations, trouble, ..cart(out(1)) })
            };
            let proof = Proof::new(slow("false"), "deployment/default/cart", slow("true"));
            Proof { grade: Grade::Notes, about: About::Nodes, ..proof }
        }
        Cause::PodNotReady => {
            let never = world(WorkloadSpec { trouble: Some(made_anew(TroubleKind::NeverReady)), ..cart(out(1)) });
            Proof::new(never, "pod/default/cart", starts_in(30))
        }
        Cause::PodStarting => {
            let proof = Proof::new(starts_in(30), "pod/default/cart", starts_in(1));
            Proof { grade: Grade::Waits, ..proof }
        }
        Cause::KubeletSilent => nodes::kubelet_silent(),
        Cause::NodeNotReady => nodes::node_not_ready(),
        Cause::NodeCni => nodes::node_cni(),
        Cause::NodeRuntime => nodes::node_runtime(),
        Cause::NodeNoAddresses => nodes::node_no_addresses(),
        Cause::NodeDaemonset => nodes::node_daemonset(),
        Cause::NodeTaintStays => nodes::node_taint_stays(),
        Cause::NodeResourceMissing => nodes::node_resource_missing(),
        Cause::NodeCordonedNew => nodes::node_cordoned_new(),
        Cause::NodeOutlivesInstance => nodes::node_outlives_instance(),
        Cause::HookHoldsLaunch => nodes::hook_holds_launch(),
        Cause::HookHoldsTermination => nodes::hook_holds_termination(),
        Cause::InstanceNeverJoined => nodes::instance_never_joined(),
        Cause::JoinNoAccess => nodes::join_no_access(),
        Cause::InstanceProtected => nodes::instance_protected(),
        Cause::InstanceWrongTemplate => nodes::instance_wrong_template(),
        Cause::InstanceLost => nodes::instance_lost(),
        Cause::NoCapacity => pending::no_capacity(),
        Cause::PodTooLarge => pending::too_large(),
        Cause::PodAffinity => pending::affinity(),
        Cause::PodAntiAffinity => pending::anti_affinity(),
        Cause::PodTaints => pending::taints(),
        Cause::SchedulingGated => pending::gated(),
        Cause::NoScheduler => pending::no_scheduler(),
        Cause::ClaimPending => pending::claim_pending(),
        Cause::PodPending => pending::unclear(),
        Cause::VolumeZone => pending::zone(),
        Cause::VolumeAttached => pending::attached(),
        Cause::VolumeDetaching => pending::detaching(),
        Cause::LaunchNoCapacity
        | Cause::LaunchQuota
        | Cause::LaunchNoAddresses
        | Cause::LaunchTemplate
        | Cause::LaunchAmi
        | Cause::LaunchKeyPair
        | Cause::LaunchKms
        | Cause::LaunchSpotPrice
        | Cause::LaunchSecurityGroup
        | Cause::LaunchUnsupported
        | Cause::LaunchDevice
        | Cause::LaunchRights
        | Cause::LaunchSuspended
        | Cause::LaunchAtMax
        | Cause::LaunchSilent
        | Cause::LaunchFails => aws::launch(cause),
        Cause::GroupUpdating
        | Cause::GroupNotActive
        | Cause::GroupSuspended
        | Cause::GroupInstanceRefresh
        | Cause::GroupOperated
        | Cause::GroupNoTemplate
        | Cause::GroupWeights => aws::group(cause),
        Cause::NodeManagerRights
        | Cause::EksTemplateMismatch
        | Cause::EksTemplateGone
        | Cause::EksGroupChanged
        | Cause::EksRoleGone
        | Cause::EksSecurityGroupGone
        | Cause::EksSubnet
        | Cause::EksLimit
        | Cause::EksClusterUnreachable
        | Cause::EksLabel
        | Cause::EksAccessDenied
        | Cause::EksDeletionStuck
        | Cause::EksAwsInternal
        | Cause::EksLeftCordoned
        | Cause::EksLeftSize
        | Cause::EksMixedVersions
        | Cause::EksIssue => aws::eks(cause),
    }
}

/// Worlds beside the proofs in which other ways out are offered.
pub fn other_ways_out() -> Vec<(Cause, Proof)> {
    aws::other_ways_out()
}

/// Four old nodes in two zones, and this workload.
fn world(workload: WorkloadSpec) -> WorldSpec {
    let mut spec = WorldSpec::with_old_nodes(&[("a", 2), ("b", 2)]);
    spec.workloads = vec![workload];
    spec
}

fn faulty(workload: WorkloadSpec, faults: Vec<(u64, FaultKind)>) -> WorldSpec {
    let mut spec = world(workload);
    spec.faults = faults.into_iter().map(|(at, what)| Fault { at: Duration::from_secs(at), what }).collect();
    spec
}

/// Three replicas under this budget.
fn cart(budget: BudgetSpec) -> WorkloadSpec {
    WorkloadSpec { replicas: 3, budgets: vec![budget], ..WorkloadSpec::new(WorkloadKind::Deployment, "cart") }
}

fn out(count: u32) -> BudgetSpec {
    BudgetSpec { max_unavailable: Some(IntOrPercent::Int(count)), ..BudgetSpec::default() }
}

fn first(kind: TroubleKind) -> Trouble {
    Trouble { kind, with: TroubleWith::First }
}

fn made_anew(kind: TroubleKind) -> Trouble {
    Trouble { kind, with: TroubleWith::New }
}

fn starts_in(seconds: u64) -> WorldSpec {
    world(WorkloadSpec { replicas: 8, ready: Duration::from_secs(seconds), ..cart(out(1)) })
}

/// The same fault of the workload or budget that is called so in another namespace.
fn move_to(namespace: &str, what: &mut FaultKind) {
    if let FaultKind::DeletePod { workload: object }
    | FaultKind::Scale { workload: object, .. }
    | FaultKind::RemoveFinalizers { workload: object }
    | FaultKind::AttachmentsStick { workload: object }
    | FaultKind::ChangeBudget { budget: object, .. }
    | FaultKind::DeleteBudget { budget: object }
    | FaultKind::DisruptedSticks { budget: object } = what
    {
        *object = object.replace("default/", &format!("{namespace}/"));
    }
    if let FaultKind::DeleteNamespace { namespace: terminated }
    | FaultKind::NamespaceHangs { namespace: terminated, .. } = what
    {
        namespace.clone_into(terminated);
    }
}
