//! `mngup diagnose`: why does it not move, for whoever asks, with a run or without one. Writes nothing.

use std::collections::BTreeSet;

use super::{
    driver::Ports,
    observe::{Observed, look_at_pods, observe},
    update::{self, NoUpdate},
    upgrade::members,
};
use crate::{
    diagnose::{Memory, View, examine, limits},
    domain::{Answer, Ask, Diagnosis, Dossier, Known, Lack, NodeName, Oracle, PodRef, Policy, Snapshot, Subject},
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
    /// Why does or did this update of EKS not get on, and what did it leave behind? Without an id the newest that failed or
    /// is under way.
    Update(Option<String>),
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
    /// There is no such update.
    #[error(transparent)]
    Update(#[from] NoUpdate),
    /// The outside cannot be read.
    #[error(transparent)]
    Port(#[from] PortError),
}

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
    let (mut memory, mut dossier) = (Memory::default(), Dossier::default());
    let look = |snapshot: &Snapshot, memory: &mut Memory, dossier: &Dossier| {
        let now = ports.clock.now();
        memory.note(snapshot, now);
        examine(View { now, snapshot, run: None, memory, policy: &policy, subject: &subject, old: &old, dossier })
    };
    let mut examined = look(&snapshot, &mut memory, &dossier);
    for _ in 0..limits::ROUNDS {
        let asks = dossier.open(&examined.asks, ports.clock.now());
        if asks.is_empty() {
            break;
        }
        answer(ports, &mut snapshot, &mut watch, asks, &mut dossier).await?;
        examined = look(&snapshot, &mut memory, &dossier);
    }
    Ok(examined.diagnosis)
}

/// Asks, and notes what is not told: without the pods of a node there is no answer, without anything else less of one.
async fn answer<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
    asks: BTreeSet<Ask>,
    dossier: &mut Dossier,
) -> Result<(), NotDiagnosed> {
    let of = |oracle| -> BTreeSet<Ask> { asks.iter().filter(|ask| ask.oracle() == oracle).cloned().collect() };
    let (cluster, cloud) = (of(Oracle::Cluster), of(Oracle::Cloud));
    let (cluster, cloud, watched) = tokio::join!(
        ports.cluster.look(&cluster),
        ports.cloud.look(&cloud),
        watch_more(ports, snapshot, watch, of(Oracle::Watch))
    );
    for answer in cluster.into_iter().chain(cloud).chain(watched?) {
        dossier.apply(ports.clock.now(), answer);
    }
    Ok(())
}

/// Asks for pods that come as changes do.
async fn watch_more<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
    asks: BTreeSet<Ask>,
) -> Result<Vec<Answer>, NotDiagnosed> {
    let mut needed = false;
    for ask in &asks {
        if let Ask::PodsOn(node) = ask {
            needed = true;
            watch.pods_on.insert(node.clone());
        }
        if let Ask::PodsOf(pdb) = ask {
            watch.pods_of.insert(pdb.clone());
        }
    }
    if asks.is_empty() {
        return Ok(Vec::new());
    }
    match look_at_pods(ports, snapshot, watch).await {
        Ok(()) => Ok(Vec::new()),
        Err(error) if needed => Err(error.into()),
        Err(error) => {
            let lack = Lack::Server(error.to_string());
            Ok(asks.into_iter().map(|ask| (ask, Known::Unknown(lack.clone()))).collect())
        }
    }
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
        Question::Update(id) => Ok(update::named(ports, snapshot, id.as_deref()).await?),
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
