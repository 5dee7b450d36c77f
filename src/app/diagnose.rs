//! `mngup diagnose`: why does it not move, for whoever asks, with a run or without one. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    driver::Ports,
    observe::{Observed, look_at_pods, observe},
    upgrade::members,
};
use crate::{
    diagnose::{Memory, Scene, View, examine, needs},
    domain::{Ask, Diagnosis, Lack, NodeName, PodRef, Policy, Snapshot, Subject},
    plan,
    ports::{Clock, Cloud, Cluster, Lock, PortError, Watch},
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// What holds the nodes of the group that are cordoned?
    Group,
    /// What holds these nodes, or would? Their names, or what stands before the first dot.
    Nodes(Vec<String>),
    /// What holds this pod, or would?
    Pod {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
    },
    /// What would hold an upgrade that began now?
    BeforeUpgrade,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NotDiagnosed {
    /// The group has no such node.
    #[error("the group has no node {name}")]
    NoSuchNode {
        /// As it was asked for.
        name: String,
        /// The nodes that it has.
        nodes: Vec<String>,
    },
    /// No node of the group has such a pod.
    #[error("no node of the group has a pod {name} of namespace {namespace}")]
    NoSuchPod {
        /// Where it was looked for.
        namespace: String,
        /// As it was asked for.
        name: String,
        /// The pods of that namespace, or all where it has none: `ns/name`.
        pods: Vec<String>,
    },
    /// The outside cannot be read.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Each round asks for what the one before showed to matter: the pods of the nodes, then those of the budgets.
const ROUNDS: u32 = 4;

/// Looks, and says what was found.
///
/// # Errors
/// [`NotDiagnosed`]. What it may not read beyond the group, its nodes and their pods is told as not known.
pub async fn diagnose<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    question: &Question,
) -> Result<Diagnosis, NotDiagnosed> {
    let Observed { mut snapshot, intent } = observe(ports).await?;
    let policy = intent.map(|intent| intent.policy).unwrap_or_default();
    let mut watch = Watch::default();
    let subject = subject(ports, question, &mut snapshot, &mut watch).await?;
    let old = old(&snapshot, &policy);
    let mut memory = Memory::default();
    let mut lacks = BTreeMap::new();
    for _ in 0..ROUNDS {
        memory.note(&snapshot, ports.clock.now());
        let view = view(ports, &snapshot, &memory, &policy, &subject, &old, &lacks);
        let asks = needs(&Scene::of(view));
        if asks.is_empty() {
            break;
        }
        answer(ports, &mut snapshot, &mut watch, asks, &mut lacks).await?;
    }
    Ok(examine(&Scene::of(view(ports, &snapshot, &memory, &policy, &subject, &old, &lacks))))
}

fn view<'a, C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &'a Snapshot,
    memory: &'a Memory,
    policy: &'a Policy,
    subject: &'a Subject,
    old: &'a BTreeSet<NodeName>,
    lacks: &'a BTreeMap<Ask, Lack>,
) -> View<'a> {
    View { now: ports.clock.now(), snapshot, run: None, memory, policy, subject, old, lacks }
}

/// Asks, and notes what is not told: without the pods of a node there is no answer, without those of a budget less of one.
async fn answer<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
    asks: BTreeSet<Ask>,
    lacks: &mut BTreeMap<Ask, Lack>,
) -> Result<(), NotDiagnosed> {
    let mut needed = false;
    for ask in &asks {
        match ask {
            Ask::PodsOn(node) => {
                needed = true;
                watch.pods_on.insert(node.clone());
            }
            Ask::PodsOf(pdb) => drop(watch.pods_of.insert(pdb.clone())),
        }
    }
    match look_at_pods(ports, snapshot, watch).await {
        Ok(()) => {}
        Err(error) if needed => return Err(error.into()),
        Err(error) => lacks.extend(asks.into_iter().map(|ask| (ask, Lack::Server(error.to_string())))),
    }
    Ok(())
}

fn old(snapshot: &Snapshot, policy: &Policy) -> BTreeSet<NodeName> {
    plan::old_nodes(snapshot, policy).into_iter().filter_map(|old| old.member.node).collect()
}

/// What the question is about, by the names that things really have.
async fn subject<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    question: &Question,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
) -> Result<Subject, NotDiagnosed> {
    match question {
        Question::Group => Ok(Subject::Group),
        Question::BeforeUpgrade => Ok(Subject::BeforeUpgrade),
        Question::Nodes(names) => {
            let nodes: Result<_, _> = names.iter().map(|name| node(snapshot, name)).collect();
            Ok(Subject::Nodes(nodes?))
        }
        Question::Pod { namespace, name } => {
            watch.pods_on = members(snapshot).cloned().collect();
            look_at_pods(ports, snapshot, watch).await?;
            pod(snapshot, namespace, name).map(Subject::Pod)
        }
    }
}

fn node(snapshot: &Snapshot, name: &str) -> Result<NodeName, NotDiagnosed> {
    let whole = members(snapshot).find(|node| node.as_str() == name);
    let mut begin_so = members(snapshot).filter(|node| node.as_str().split('.').next() == Some(name));
    match (whole, begin_so.next(), begin_so.next()) {
        (Some(node), _, _) | (None, Some(node), None) => Ok(node.clone()),
        (None, None, _) | (None, Some(_), Some(_)) => {
            let nodes = members(snapshot).map(ToString::to_string).collect();
            Err(NotDiagnosed::NoSuchNode { name: name.to_owned(), nodes })
        }
    }
}

fn pod(snapshot: &Snapshot, namespace: &str, name: &str) -> Result<PodRef, NotDiagnosed> {
    let all: Vec<_> = members(snapshot).flat_map(|node| snapshot.pods_on(node)).map(|pod| &pod.id).collect();
    if let Some(pod) = all.iter().find(|pod| pod.namespace == namespace && pod.name == name) {
        return Ok((*pod).clone());
    }
    let there = all.iter().any(|pod| pod.namespace == namespace);
    let near = all.iter().filter(|pod| !there || pod.namespace == namespace);
    let pods = near.map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    Err(NotDiagnosed::NoSuchPod { namespace: namespace.to_owned(), name: name.to_owned(), pods })
}
