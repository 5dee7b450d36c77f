//! `mngup diagnose`: why does it not move, for whoever asks, with a run or without one. Writes nothing.

use std::collections::BTreeSet;

use super::{
    driver::Ports,
    observe::{Observed, hear_changes, look_again, look_at_pods, observe, observe_apart},
    update::{self, NoUpdate},
    upgrade::Prepared,
    whom,
};
use crate::{
    diagnose::{Examined, Memory, View, examine, limits},
    domain::{Answer, Ask, Diagnosis, Dossier, Finding, Known, Lack, NodeName, Oracle, Policy, Snapshot, Subject},
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

/// Whose the nodes are that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A group's.
    Group,
    /// No group's that is known: AWS is not asked about them.
    Nobody,
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
    /// There is no such pod.
    #[error("there is no pod {name} in namespace {namespace}")]
    NoSuchPod {
        /// Where it was looked for.
        namespace: String,
        /// As it was asked for.
        name: String,
        /// The pods of that namespace on nodes of the group, or all there where it has none: `ns/name`.
        pods: Vec<String>,
    },
    /// The pod runs on a node that is not of this group.
    #[error("pod/{namespace}/{name} is on node/{node}, which is not of this group")]
    PodElsewhere {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The node.
        node: NodeName,
    },
    /// There is no such update.
    #[error(transparent)]
    Update(#[from] NoUpdate),
    /// The outside cannot be read.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What is looked at, once or again and again. Writes nothing.
#[derive(Debug)]
pub struct Inquiry<'a, C, A, K, L> {
    ports: &'a Ports<C, A, K, L>,
    whose: Whose,
    snapshot: Snapshot,
    policy: Policy,
    subject: Subject,
    watch: Watch,
    memory: Memory,
    dossier: Dossier,
}

impl<'a, C: Cluster, A: Cloud, K: Clock, L: Lock> Inquiry<'a, C, A, K, L> {
    /// Finds what the question is about.
    ///
    /// # Errors
    /// [`NotDiagnosed`].
    pub async fn begin(ports: &'a Ports<C, A, K, L>, whose: Whose, question: &Question) -> Result<Self, NotDiagnosed> {
        let Observed { mut snapshot, intent } = match whose {
            Whose::Group => observe(ports).await?,
            Whose::Nobody => observe_apart(ports).await?,
        };
        let memory = intent.as_ref().map(|intent| Memory::of_run(intent.started_at)).unwrap_or_default();
        let policy = intent.map(|intent| intent.policy).unwrap_or_default();
        let mut watch = Watch::default();
        let subject = subject(ports, question, &mut snapshot, &mut watch).await?;
        Ok(Self { ports, whose, snapshot, policy, subject, watch, memory, dossier: Dossier::default() })
    }

    /// What would hold an upgrade that goes so, by somebody who has seen this already.
    fn of_an_upgrade(ports: &'a Ports<C, A, K, L>, snapshot: Snapshot, policy: Policy) -> Self {
        let watch = Watch { pods_on: old(&snapshot, &policy), ..Watch::default() };
        let (memory, dossier) = (Memory::default(), Dossier::default());
        Self { ports, whose: Whose::Group, snapshot, policy, subject: Subject::BeforeUpgrade, watch, memory, dossier }
    }

    /// Looks, asks what has to be known for it, and says what was found. A group that holds nothing up, of which no node is
    /// cordoned and some are old, is looked at as before an upgrade: a run that stopped has opened its nodes again.
    ///
    /// # Errors
    /// [`PortError`] where the pods of a node cannot be read. What else may not be read is told as not known.
    pub async fn examine(&mut self) -> Result<Diagnosis, PortError> {
        let found = self.ask_and_look().await?;
        let is_empty = self.subject == Subject::Group && found.blocking().next().is_none();
        if !is_empty || self.cordoned() > 0 || old(&self.snapshot, &self.policy).is_empty() {
            return Ok(found);
        }
        self.subject = Subject::BeforeUpgrade;
        let foreseen = self.ask_and_look().await;
        self.subject = Subject::Group;
        let mut foreseen = foreseen?;
        let is_told =
            |one: &Finding| foreseen.findings.iter().any(|f| (f.cause, &f.object) == (one.cause, &one.object));
        let also: Vec<_> = found.findings.into_iter().filter(|finding| !is_told(finding)).collect();
        foreseen.findings.extend(also);
        Ok(foreseen)
    }

    /// How many nodes of the group are cordoned.
    #[must_use]
    pub fn cordoned(&self) -> usize {
        self.snapshot.nodes().values().filter(|node| node.unschedulable).count()
    }

    async fn ask_and_look(&mut self) -> Result<Diagnosis, PortError> {
        let mut examined = self.look();
        for _ in 0..limits::ROUNDS {
            let asks = self.dossier.open(&examined.asks, self.ports.clock.now());
            if asks.is_empty() {
                break;
            }
            answer(self.ports, &mut self.snapshot, &mut self.watch, asks, &mut self.dossier).await?;
            examined = self.look();
        }
        Ok(examined.diagnosis)
    }

    /// The same of what there is by now.
    ///
    /// # Errors
    /// As [`Inquiry::examine`].
    pub async fn examine_again(&mut self) -> Result<Diagnosis, NotDiagnosed> {
        match self.whose {
            Whose::Group => look_again(self.ports, &mut self.snapshot).await?,
            Whose::Nobody => hear_changes(self.ports, &mut self.snapshot).await?,
        }
        if let Subject::Pod(id) = &self.subject {
            whom::follow(self.ports, &mut self.snapshot, &mut self.watch, &id.clone()).await?;
        }
        Ok(self.examine().await?)
    }

    fn look(&mut self) -> Examined {
        let now = self.ports.clock.now();
        self.memory.note(&self.snapshot, now);
        examine(View {
            now,
            snapshot: &self.snapshot,
            run: None,
            memory: &self.memory,
            policy: &self.policy,
            subject: &self.subject,
            old: &old(&self.snapshot, &self.policy),
            dossier: &self.dossier,
        })
    }
}

/// Looks at the pods of all nodes that an upgrade would replace, and says what would hold it, as a diagnosis before it does.
///
/// # Errors
/// [`PortError`] where those pods cannot be read.
pub async fn foresee<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    prepared: &mut Prepared,
) -> Result<Diagnosis, PortError> {
    let mut inquiry = Inquiry::of_an_upgrade(ports, prepared.snapshot.clone(), prepared.policy.clone());
    look_at_pods(ports, &mut inquiry.snapshot, &inquiry.watch).await?;
    let foreseen = inquiry.examine().await?;
    prepared.snapshot = inquiry.snapshot;
    Ok(foreseen)
}

/// Asks, and notes what is not told: without the pods of a node there is no answer, without anything else less of one.
async fn answer<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
    asks: BTreeSet<Ask>,
    dossier: &mut Dossier,
) -> Result<(), PortError> {
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
) -> Result<Vec<Answer>, PortError> {
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
        Err(error) if needed => Err(error),
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
            let nodes: Result<_, _> = names.iter().map(|name| whom::node(snapshot, name)).collect();
            Ok(Subject::Nodes(nodes?))
        }
        Question::Pod { namespace, name } => whom::pod(ports, snapshot, watch, namespace, name).await.map(Subject::Pod),
    }
}
