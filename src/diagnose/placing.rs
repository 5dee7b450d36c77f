//! Why a pod has no node: what the scheduler says, what the pod asks for, and what the nodes offer.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use serde_json::Value;

use super::{
    demands::Demands,
    requests,
    scene::Scene,
    scheduler_words::{self, Reason, Sentence, is_condition},
};
use crate::domain::{
    Ask, Cause, Claim, ClusterNode, Known, Lack, NodeName, Pod, Query, Requirement, Taint, TaintEffect, Unscheduled,
    Workload, Zone,
};

/// What is known of a pod without a node.
#[derive(Debug)]
pub(super) struct Placing<'a> {
    /// What decides it.
    pub(super) why: Why<'a>,
    /// What the scheduler says.
    pub(super) said: Option<Sentence<'a>>,
    /// Its template, where it was read.
    pub(super) template: Option<&'a Value>,
    /// Its controller, where it was read.
    pub(super) workload: Option<&'a Workload>,
    /// Causes that cannot be told from others, and what is lacking for it.
    pub(super) lacking: Vec<(Cause, Lack)>,
}

/// What keeps a pod from every node, the decisive obstacle alone: of the nodes that are neither cordoned nor tainted, that
/// of those which come closest to taking it.
#[derive(Debug)]
pub(super) enum Why<'a> {
    /// It has scheduling gates.
    Gated,
    /// No scheduler has looked at it.
    NotLookedAt,
    /// A claim of it has no volume, or does not exist.
    Unbound(&'a str),
    /// A volume of it can only be used where no node is.
    Stranded(Stranded<'a>),
    /// It asks for more than an empty node has.
    TooLarge(TooLarge),
    /// Nodes that it may go to are full.
    NoRoom,
    /// Nodes that it may go to are all cordoned, or not Ready.
    AllOut(Vec<NodeName>),
    /// It must not share a node with others; whether there are more such pods than places for them.
    Apart {
        /// How many there are to be and how many places, where that is known and too few.
        short: Option<(u32, usize)>,
    },
    /// No node that is left has what it asks for: those demands, where they are known.
    Affinity(Vec<Requirement>),
    /// Every node that is left has a taint that it does not tolerate.
    Tainted(BTreeMap<NodeName, Vec<&'a Taint>>),
    /// Something else.
    Unclear,
}

/// A volume that no node can use.
#[derive(Debug)]
pub(super) struct Stranded<'a> {
    pub(super) claim: &'a str,
    /// Where it can be used; empty where that was not read.
    pub(super) zones: &'a [Zone],
    /// On which nodes alone.
    pub(super) hosts: &'a [String],
    /// Cordoned nodes of the group that could use it: their replacements may too.
    pub(super) cordoned: Vec<NodeName>,
    /// Whether the group launches nodes where it can be used.
    pub(super) grouped: bool,
}

impl Why<'_> {
    /// Cordoned nodes of which one must be replaced before the pod has a place.
    pub(super) fn cordoned(&self) -> &[NodeName] {
        match self {
            Self::Stranded(stranded) => &stranded.cordoned,
            Self::Gated
            | Self::NotLookedAt
            | Self::Unbound(_)
            | Self::TooLarge(_)
            | Self::NoRoom
            | Self::AllOut(_)
            | Self::Apart { .. }
            | Self::Affinity(_)
            | Self::Tainted(_)
            | Self::Unclear => &[],
        }
    }
}

/// A request that exceeds every node.
#[derive(Debug)]
pub(super) struct TooLarge {
    pub(super) resource: String,
    pub(super) asks: i64,
    /// The most that a node offers which is not cordoned.
    pub(super) most: i64,
    /// Cordoned nodes that are large enough.
    pub(super) larger: Vec<NodeName>,
}

/// What is the matter with a pod that has no node.
pub(super) fn placing<'a>(scene: &Scene<'a>, pod: &'a Pod) -> Placing<'a> {
    let unscheduled = pod.trouble.as_ref().and_then(|trouble| trouble.unscheduled.as_ref());
    let workload = pod.workload().map(|owner| scene.ask(&Ask::workload(&pod.id.namespace, &owner)));
    let seeker = Seeker { scene, pod, workload, demands: OnceCell::new(), lacking: RefCell::default() };
    let said = unscheduled.and_then(|unscheduled| scheduler_words::parse(unscheduled.message.as_deref()?));
    let why = match (unscheduled, &said) {
        (None, _) => Why::NotLookedAt,
        (Some(Unscheduled { reason, .. }), _) if reason == "SchedulingGated" => Why::Gated,
        (Some(_), None) => Why::Unclear,
        (Some(_), Some(said)) => seeker.decide(said),
    };
    let (template, workload) = (seeker.template(), seeker.workload().known().flatten());
    Placing { why, said, template, workload, lacking: seeker.lacking.into_inner() }
}

impl Placing<'_> {
    /// Whether a node that comes in the place of another may take it.
    pub(super) fn waits_for_nodes(&self) -> bool {
        match &self.why {
            Why::NoRoom | Why::AllOut(_) | Why::Apart { short: None } | Why::Unclear => true,
            Why::Stranded(stranded) => stranded.grouped,
            Why::Gated
            | Why::NotLookedAt
            | Why::Unbound(_)
            | Why::TooLarge(_)
            | Why::Apart { short: Some(_) }
            | Why::Affinity(_)
            | Why::Tainted(_) => false,
        }
    }

    /// Whether something that was asked for is still to be answered.
    pub(super) fn is_unread(&self) -> bool {
        self.lacking.iter().any(|(_, lack)| *lack == Lack::NotRead)
    }
}

struct Seeker<'s, 'a> {
    scene: &'s Scene<'a>,
    pod: &'a Pod,
    workload: Option<Known<&'a Option<Workload>>>,
    demands: OnceCell<Option<Demands>>,
    lacking: RefCell<Vec<(Cause, Lack)>>,
}

impl<'a> Seeker<'_, 'a> {
    fn decide(&self, said: &Sentence<'a>) -> Why<'a> {
        let remaining: Vec<&Reason<'_>> = said.remaining().collect();
        let is = |wanted: fn(&Reason<'_>) -> bool| remaining.iter().any(|reason| wanted(reason));
        if let Some(claim) = self.unbound(said) {
            return Why::Unbound(claim);
        }
        let elsewhere = is(|reason| matches!(reason, Reason::VolumeElsewhere));
        if let Some(stranded) = self.stranded(elsewhere) {
            return Why::Stranded(stranded);
        }
        if is(|reason| matches!(reason, Reason::Room(_))) {
            return self.too_large(said).map_or(Why::NoRoom, Why::TooLarge);
        }
        if is(|reason| matches!(reason, Reason::AntiAffinity | Reason::Spread)) {
            return Why::Apart { short: self.short_of_places(said) };
        }
        if is(|reason| matches!(reason, Reason::Other(_) | Reason::VolumeElsewhere)) {
            return Why::Unclear;
        }
        if remaining.is_empty() { self.all_out(said) } else { self.affinity(said) }
    }

    /// The claim that has no volume: the one that is named, or the first that is not bound.
    fn unbound(&self, said: &Sentence<'a>) -> Option<&'a str> {
        let mut claims = self.pod.claims.iter().map(String::as_str);
        let mut of = |reason: &Reason<'a>| match reason {
            Reason::NoClaim(name) => Some(*name),
            Reason::Unbound => {
                let is_bound =
                    |name: &str| matches!(self.claim(name), Known::Is(Some(claim)) if claim.phase == "Bound");
                claims.clone().find(|name| !is_bound(name)).or_else(|| claims.next())
            }
            Reason::Cordoned
            | Reason::Tainted(_)
            | Reason::Affinity
            | Reason::PodAffinity
            | Reason::AntiAffinity
            | Reason::Spread
            | Reason::Room(_)
            | Reason::VolumeElsewhere
            | Reason::Other(_) => None,
        };
        said.reasons.iter().find_map(|(_, reason)| of(reason))
    }

    /// A volume that can be used on no node that takes pods now.
    fn stranded(&self, is_said: bool) -> Option<Stranded<'a>> {
        let nowhere = |name: &'a String| {
            let launches = self.scene.view.snapshot.group().map(|group| &group.zones);
            let stranded = |zones: &'a [Zone], hosts, cordoned| {
                let grouped = zones.iter().any(|zone| launches.is_some_and(|launches| launches.contains(zone)));
                Stranded { claim: name, zones, hosts, cordoned, grouped }
            };
            let claim = match self.claim(name) {
                Known::Is(claim) => claim.as_ref()?,
                Known::Unknown(lack) => {
                    self.lacks(Cause::VolumeZone, lack);
                    return is_said.then(|| stranded(&[], &[], Vec::new()));
                }
            };
            if claim.zones.is_empty() && claim.hosts.is_empty() {
                return None;
            }
            let nodes = match self.nodes() {
                Known::Is(nodes) => nodes,
                Known::Unknown(lack) => {
                    self.lacks(Cause::VolumeZone, lack);
                    return is_said.then(|| stranded(&claim.zones, &claim.hosts, Vec::new()));
                }
            };
            let mut usable = nodes.iter().filter(|node| may_use(claim, node));
            if usable.clone().any(is_open) {
                return None;
            }
            let of_group = |node: &&ClusterNode| node.unschedulable && self.is_of_group(node);
            let cordoned = usable.by_ref().filter(of_group).map(|node| node.name.clone()).collect();
            Some(stranded(&claim.zones, &claim.hosts, cordoned))
        };
        self.pod.claims.iter().find_map(nowhere)
    }

    /// Something of which it asks for more than any node has that it may go to.
    fn too_large(&self, said: &Sentence<'a>) -> Option<TooLarge> {
        let (template, nodes) = match (self.template_or_lack(), self.nodes()) {
            (Known::Is(template), Known::Is(nodes)) => (template?, nodes),
            (Known::Unknown(lack), _) | (_, Known::Unknown(lack)) => {
                self.lacks(Cause::PodTooLarge, lack);
                return None;
            }
        };
        let open: Vec<_> = nodes.iter().filter(|node| is_open(node) && self.may_go_to(node)).collect();
        let offers = |node: &&ClusterNode, resource: &str| node.allocatable.get(resource).copied().unwrap_or(0);
        let scarce: BTreeSet<&str> = said.remaining().filter_map(Reason::resource).collect();
        let asks = requests::of(template).into_iter().filter(|(resource, _)| scarce.contains(resource.as_str()));
        asks.into_iter().find_map(|(resource, asks)| {
            // What no node has at all is missing from the nodes, and not too much to ask.
            let most = open.iter().map(|node| offers(node, &resource)).max().filter(|most| *most > 0)?;
            let out = nodes.iter().filter(|node| node.unschedulable && self.may_go_to(node));
            let larger: Vec<_> =
                out.filter(|node| offers(node, &resource) >= asks).map(|node| node.name.clone()).collect();
            // Its own group may yet bring such a node, as long as none of its new ones shows that it does not.
            let shown = larger.is_empty() || open.iter().any(|node| self.is_of_group(node));
            (asks > most && shown).then_some(TooLarge { resource, asks, most, larger })
        })
    }

    /// How many pods are to be kept apart and how many places there are for them, none when there are enough or nobody
    /// knows. Cordoned nodes are places, since they are replaced, and so are nodes of the group that are yet to come: while
    /// one is replaced it has one less for some minutes.
    fn short_of_places(&self, said: &Sentence<'a>) -> Option<(u32, usize)> {
        // A spread evens out with each node that comes, whatever the numbers are.
        if said.remaining().any(|reason| matches!(reason, Reason::Spread)) {
            return None;
        }
        let replicas = self.workload().known().flatten()?.replicas?;
        let rule = &self.template()?["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let key = rule[0]["topologyKey"].as_str()?;
        let nodes = self.nodes().known()?;
        let there = nodes.iter().filter(|node| self.may_go_to(node)).filter_map(|node| node.labels.get(key));
        let there: BTreeSet<_> = there.collect();
        let members = nodes.iter().filter(|node| self.is_of_group(node)).count();
        let desired = self.scene.view.snapshot.group().map_or(0, |group| group.size.desired as usize);
        let places = there.len() + desired.saturating_sub(members);
        (replicas as usize > places).then_some((replicas, places))
    }

    /// No label is met by a node that is left. Where those that have it are cordoned for now, their replacements may be
    /// waited for: unless a new one of the same group shows that it has it not.
    fn affinity(&self, said: &Sentence<'a>) -> Why<'a> {
        if said.remaining().any(|reason| matches!(reason, Reason::PodAffinity)) {
            return Why::Affinity(Vec::new());
        }
        let (Some(demands), Some(nodes)) = (self.demands(), self.nodes().known()) else {
            return Why::Affinity(Vec::new());
        };
        let open: Vec<_> = nodes.iter().filter(|node| is_open(node)).collect();
        let lacking = demands.unmet(&open);
        let out: Vec<_> = nodes.iter().filter(|node| !is_open(node) && self.may_go_to(node)).collect();
        let shown = open.iter().any(|node| self.is_of_group(node)) && !lacking.iter().all(is_of_place);
        if out.is_empty() || shown { Why::Affinity(lacking) } else { Why::AllOut(names(&out)) }
    }

    /// Every node is cordoned or tainted.
    fn all_out(&self, said: &Sentence<'a>) -> Why<'a> {
        let is_tainted = said.reasons.iter().any(|(_, reason)| matches!(reason, Reason::Tainted(_)));
        let nodes = match self.nodes() {
            Known::Is(nodes) => nodes,
            Known::Unknown(_) if !is_tainted => return Why::AllOut(Vec::new()),
            Known::Unknown(lack) => {
                self.lacks(Cause::PodTaints, lack);
                return Why::Unclear;
            }
        };
        let out: Vec<_> = nodes.iter().filter(|node| !is_open(node) && self.may_go_to(node)).collect();
        let tainted = nodes.iter().filter(|node| is_open(node)).map(|node| (node.name.clone(), self.untolerated(node)));
        let tainted: BTreeMap<_, _> = tainted.filter(|(_, taints)| !taints.is_empty()).collect();
        if out.is_empty() && !tainted.is_empty() { Why::Tainted(tainted) } else { Why::AllOut(names(&out)) }
    }

    fn may_go_to(&self, node: &'a ClusterNode) -> bool {
        self.demands().is_none_or(|demands| demands.are_met_by(node)) && self.untolerated(node).is_empty()
    }

    /// Taken out of its template once: it is compared with thousands of nodes.
    fn demands(&self) -> Option<&Demands> {
        self.demands.get_or_init(|| self.template().map(Demands::of)).as_ref()
    }

    /// Taints that keep it off the node, beside those of the node's own condition.
    fn untolerated(&self, node: &'a ClusterNode) -> Vec<&'a Taint> {
        let tolerates = |taint: &Taint| self.pod.tolerations.iter().any(|toleration| toleration.tolerates(taint));
        let hard = node.taints.iter().filter(|taint| taint.effect != TaintEffect::PreferNoSchedule);
        hard.filter(|taint| !is_condition(taint) && !tolerates(taint)).collect()
    }

    fn is_of_group(&self, node: &ClusterNode) -> bool {
        self.scene.view.snapshot.node(&node.name).is_some()
    }

    fn nodes(&self) -> Known<&'a Vec<ClusterNode>> {
        self.scene.ask(&Ask::all_nodes())
    }

    fn claim(&self, name: &str) -> Known<&'a Option<Claim>> {
        let query: Query<Option<Claim>> = Ask::claim(&self.pod.id.namespace, name);
        self.scene.ask(&query)
    }

    fn workload(&self) -> Known<Option<&'a Workload>> {
        match &self.workload {
            None => Known::Is(None),
            Some(Known::Is(workload)) => Known::Is(workload.as_ref()),
            Some(Known::Unknown(lack)) => Known::Unknown(lack.clone()),
        }
    }

    fn template_or_lack(&self) -> Known<Option<&'a Value>> {
        self.workload().map(|workload| workload.map(|workload| &workload.template).filter(|it| !it.is_null()))
    }

    fn template(&self) -> Option<&'a Value> {
        self.template_or_lack().known().flatten()
    }

    fn lacks(&self, cause: Cause, lack: Lack) {
        self.lacking.borrow_mut().push((cause, lack));
    }
}

/// Whether it is about where a node is, in which the nodes of one group differ.
fn is_of_place(demand: &Requirement) -> bool {
    ["topology.", "failure-domain.beta.", "kubernetes.io/hostname"].iter().any(|place| demand.key.starts_with(place))
}

/// Whether pods are placed on it now.
fn is_open(node: &ClusterNode) -> bool {
    node.ready && !node.unschedulable
}

fn may_use(claim: &Claim, node: &ClusterNode) -> bool {
    let label = |key: &str| node.labels.get(key).map(String::as_str);
    let zone = ["topology.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone"].into_iter().find_map(label);
    let host = label("kubernetes.io/hostname").unwrap_or(node.name.as_str());
    (claim.zones.is_empty() || claim.zones.iter().any(|known| Some(known.as_str()) == zone))
        && (claim.hosts.is_empty() || claim.hosts.iter().any(|known| known == host))
}

fn names(nodes: &[&ClusterNode]) -> Vec<NodeName> {
    nodes.iter().map(|node| node.name.clone()).collect()
}
