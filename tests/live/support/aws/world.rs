//! What AWS looks like when a test begins.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use mngup::{
    domain::{AsgName, Process, Size, Zone},
    sim::asg::{
        AsgConfig, Delays, Existing, Hook, HookKind, HookResult, Override, Subnet, Template, TemplateUse, VersionUse,
    },
};

/// The launch template of the group; of a managed one, EKS's own copy.
pub const TEMPLATE: &str = "lt-0aa11bb22cc33dd44";
/// A template of its own for the second instance type of a mixed-instances policy.
pub const OTHER_TEMPLATE: &str = "lt-0ee55ff66aa77bb88";

/// A cluster with one group of nodes. `World { old: 12, ..World::default() }`
#[derive(Clone, Debug)]
pub struct World {
    /// The cluster's name.
    pub cluster: String,
    /// Other clusters of the account.
    pub other_clusters: Vec<String>,
    /// Its Kubernetes version.
    pub version: String,
    /// The region.
    pub region: String,
    /// The managed node group; none makes the group a self-managed one.
    pub nodegroup: Option<String>,
    /// Other node groups of the cluster, by name only.
    pub other_nodegroups: Vec<String>,
    /// The Auto Scaling group.
    pub asg: String,
    /// Zones; nodes are dealt out to them in turn.
    pub zones: Vec<String>,
    /// Nodes of the old template version.
    pub old: u32,
    /// Nodes of the version that the group launches now.
    pub new: u32,
    /// Room between desired and maximum size.
    pub headroom: u32,
    /// How the group names the version it launches: version 1 is old, version 2 new.
    pub launches: VersionUse,
    /// Whether it has a mixed-instances policy with a second type: of a self-managed group one with a template of its own.
    pub mixed: bool,
    /// `updateConfig`: maxUnavailable.
    pub max_unavailable: Option<u32>,
    /// `updateConfig`: updateStrategy.
    pub strategy: Option<String>,
    /// From `RunInstances` to InService.
    pub launch: Duration,
    /// From a running instance to its Node.
    pub join: Duration,
    /// From terminating to gone.
    pub terminate: Duration,
    /// What EKS's own termination hook takes; none has no hook.
    pub terminate_hook: Option<Duration>,
    /// Hooks that nobody answers.
    pub unanswered: Vec<HookKind>,
    /// For how long, as Auto Scaling tells it, a hook has held whom it holds.
    pub held_for: Duration,
    /// The template version that EKS made for a managed group; none is whichever it launches.
    pub made: Option<u32>,
    /// Whether EKS expects the group's subnets to give out public addresses.
    pub public: bool,
    /// How long EKS works on a change of sizes.
    pub resize: Duration,
    /// Processes that are suspended at the start.
    pub suspended: Vec<String>,
    /// The service principal that alone may change the group.
    pub operator: Option<String>,
    /// What an instance of each type counts, in a mixed-instances group that weighs them.
    pub weight: Option<u32>,
    /// What the desired size counts, where that is not instances: `vcpu`.
    pub capacity_type: Option<String>,
    /// The status of an instance refresh.
    pub instance_refresh: Option<String>,
    /// The node group's status.
    pub status: String,
    /// The node group's health issues, code and message.
    pub issues: Vec<(String, String)>,
    /// Tags of the Auto Scaling group beside its own.
    pub tags: BTreeMap<String, String>,
    /// Whether the group carries the cluster's tag.
    pub owned: bool,
    /// CPUs, memory in GiB and pods of a node.
    pub node_size: (u32, u32, u32),
    /// Who may sign requests, and whom the API server takes them for.
    pub keys: Vec<Key>,
    /// Whose roles have an access entry, by ARN.
    pub access_entries: Vec<String>,
    /// `accessConfig.authenticationMode`; none does not tell it, as of an old cluster.
    pub authentication_mode: Option<&'static str>,
    /// Free addresses in each subnet; none counts none.
    pub free_addresses: Option<u32>,
    /// Where ids come from.
    pub seed: u64,
}

/// An access key and whom the API server takes its owner for.
#[derive(Clone, Debug)]
pub struct Key {
    /// The access key's id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The session token of a key that expires, as roles and single sign-on give them.
    pub session: Option<String>,
    /// Who that is to Kubernetes.
    pub user: String,
    /// In which groups.
    pub groups: Vec<String>,
}

impl Key {
    /// A key of this user, who is in the group of the same name.
    pub fn of(user: &str) -> Self {
        let id = format!("AKIATEST{:X<12}", user.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), ""));
        Self {
            id,
            session: None,
            secret: format!("not-a-secret/{user}+0123456789abcdef"),
            user: user.into(),
            groups: vec![user.into()],
        }
    }

    /// The same as a role's key, which is worth nothing without its session token.
    pub fn of_session(user: &str) -> Self {
        let session = format!("not-a-session-token-of-{user}//////////wEaDGFi");
        Self { session: Some(session), ..Self::of(user) }
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            cluster: "prod".into(),
            other_clusters: vec!["staging".into()],
            version: "1.36".into(),
            region: "eu-west-1".into(),
            nodegroup: Some("workers".into()),
            other_nodegroups: Vec::new(),
            asg: "eks-workers-8ac7d1b2".into(),
            zones: ["eu-west-1a", "eu-west-1b", "eu-west-1c"].map(String::from).into(),
            old: 3,
            new: 0,
            headroom: 3,
            launches: VersionUse::Number(2),
            mixed: false,
            max_unavailable: Some(1),
            strategy: None,
            launch: Duration::from_secs(1),
            join: Duration::from_millis(500),
            terminate: Duration::from_secs(1),
            terminate_hook: None,
            unanswered: Vec::new(),
            held_for: Duration::ZERO,
            made: None,
            public: false,
            resize: Duration::from_millis(500),
            suspended: Vec::new(),
            operator: None,
            weight: None,
            capacity_type: None,
            instance_refresh: None,
            status: "ACTIVE".into(),
            issues: Vec::new(),
            tags: BTreeMap::new(),
            owned: true,
            node_size: (8, 32, 110),
            keys: vec![Key::of("mngup")],
            access_entries: vec!["arn:aws:iam::111122223333:role/node".into()],
            authentication_mode: None,
            free_addresses: None,
            seed: 7,
        }
    }
}

impl World {
    /// A self-managed group with a mixed-instances policy that launches `$Latest`.
    pub fn self_managed() -> Self {
        Self { nodegroup: None, asg: "shop-nodes".into(), launches: VersionUse::Latest, mixed: true, ..Self::default() }
    }

    /// The simulated group of it.
    pub fn config(&self, now: Timestamp) -> AsgConfig {
        let desired = self.old + self.new;
        // EKS names one template for all types.
        let own = self.nodegroup.is_none();
        let existing = (0..desired).map(|number| {
            let zone = Zone::new(&*self.zones[number as usize % self.zones.len()]);
            let second = self.mixed && number % 2 == 1;
            Existing {
                zone,
                instance_type: if second { "m6a.large" } else { "m6i.large" }.into(),
                template: Some((
                    if second && own { OTHER_TEMPLATE } else { TEMPLATE }.into(),
                    if number < self.old { 1 } else { 2 },
                )),
                // Hours apart, the first the oldest.
                launched_at: now - SignedDuration::from_hours(24 * 30 - i64::from(number)),
                protected: false,
            }
        });
        let template = |name: &str| Template { name: name.into(), default: 1, latest: 2 };
        let mut overrides = vec![Override { instance_type: "m6i.large".into(), template: None }];
        if self.mixed {
            let template = own.then(|| TemplateUse { id: OTHER_TEMPLATE.into(), version: self.launches });
            overrides.push(Override { instance_type: "m6a.large".into(), template });
        }
        AsgConfig {
            name: AsgName::new(&*self.asg),
            size: Size { min: 1, desired, max: desired + self.headroom },
            subnets: self
                .zones
                .iter()
                .map(|zone| Subnet {
                    id: format!("subnet-0{zone}"),
                    zone: Zone::new(&**zone),
                    free: self.free_addresses,
                    contended: false,
                })
                .collect(),
            templates: BTreeMap::from([
                (TEMPLATE.into(), template("eks-8ac7d1b2")),
                (OTHER_TEMPLATE.into(), template("amd")),
            ]),
            launch_from: TemplateUse { id: TEMPLATE.into(), version: self.launches },
            overrides,
            mixed: self.mixed,
            existing: existing.collect(),
            delays: Delays {
                launch: self.launch,
                terminate: self.terminate,
                retry: Duration::from_secs(1),
                ..Delays::default()
            },
            hooks: self.hooks(),
            failures: Vec::new(),
            stale: None,
            protects_new: false,
            suspended: self.suspended.iter().map(|name| Process::parse(name)).collect::<BTreeSet<_>>(),
            operator: self.operator.clone(),
            instance_refresh: self.instance_refresh.clone(),
            tags: self.all_tags(),
            seed: self.seed,
        }
    }

    fn hooks(&self) -> Vec<Hook> {
        let answered = self.terminate_hook.map(|takes| hook(HookKind::Terminating, Some(takes)));
        answered.into_iter().chain(self.unanswered.iter().map(|kind| hook(*kind, None))).collect()
    }

    fn all_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        if self.owned {
            tags.insert(format!("kubernetes.io/cluster/{}", self.cluster), "owned".into());
        }
        if let Some(nodegroup) = &self.nodegroup {
            tags.insert("eks:cluster-name".into(), self.cluster.clone());
            tags.insert("eks:nodegroup-name".into(), nodegroup.clone());
        }
        tags
    }
}

/// As EKS names its own.
fn hook(kind: HookKind, completes_after: Option<Duration>) -> Hook {
    let name = match kind {
        HookKind::Launching => "Launch-LC-Hook",
        HookKind::Terminating => "Terminate-LC-Hook",
    };
    Hook {
        name: name.into(),
        kind,
        heartbeat: Duration::from_mins(30),
        default_result: HookResult::Continue,
        completes_after,
    }
}
