//! One group's view of its cluster.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use k8s_openapi::api::core::v1 as core;
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, Semaphore, mpsc, oneshot, watch},
};

use super::{
    budget_pods,
    client::Connection,
    convert,
    follow::{Sender, Source, Streams, follow},
    kinds::{Budgets, DaemonSets, Nodes, Pdbs},
    names::object_name,
    node_cache::NodeCache,
    pods::PodWatches,
    volumes,
};
use crate::{
    domain::{Answer, Ask, Change, Gap, GroupName, InstanceId, Intent, NodeName, Notice, PdbRef},
    ports::{Cluster, KubeAct, Outcome, PortError, Watch},
};

/// Acts of a kind under way at once: evictions that no budget holds go together, but not by the thousand.
const IN_FLIGHT: usize = 50;

/// Batches of changes that may wait to be taken; beyond that the watches wait.
const WAITING: usize = 1024;

/// Nodes that no other kind of group has claimed by a label.
const SELF_MANAGED: &str =
    "!eks.amazonaws.com/nodegroup,!karpenter.sh/nodepool,eks.amazonaws.com/compute-type notin (auto,fargate,hybrid)";

/// What the view is about.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The group.
    pub group: GroupName,
    /// The namespace of the run's `ConfigMap` and Lease.
    pub state_namespace: String,
}

impl Scope {
    /// The name of the `ConfigMap` and the Lease.
    #[must_use]
    pub fn object_name(&self) -> String {
        object_name(&self.group)
    }

    fn node_labels(&self) -> String {
        match &self.group {
            GroupName::Nodegroup(name) => format!("eks.amazonaws.com/nodegroup={name}"),
            GroupName::Asg(_) => SELF_MANAGED.to_owned(),
        }
    }
}

/// Which nodes are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// The group's.
    #[default]
    OfGroup,
    /// This one, whose ever it is.
    Only(NodeName),
    /// None: what is looked at has no node.
    NoNode,
}

/// How often what is not watched is looked at, and how long a server is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// At the pods of a budget only once it has blocked for so long and not changed meanwhile.
    pub first_look: Duration,
    /// And again after so long while it is wanted.
    pub look_again: Duration,
    /// A server that does not begin a streamed list within this is asked for lists.
    pub first_events: Duration,
    /// The zones of volumes are read again this often.
    pub volumes_again: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_look: Duration::from_secs(5),
            look_again: Duration::from_secs(15),
            first_events: Duration::from_secs(10),
            volumes_again: Duration::from_mins(5),
        }
    }
}

/// One group's view of its cluster; watches begin with the first call of `changes` and end when it is dropped.
pub struct KubeCluster {
    pub(super) connection: Connection,
    pub(super) scope: Scope,
    seen: Seen,
    pub(super) nodes: Arc<NodeCache>,
    pub(super) pod_acts: Semaphore,
    /// Apart, because the server may sit on an eviction for ten seconds, and a cordon must not wait behind that.
    pub(super) other_acts: Semaphore,
    pub(super) budgets: Arc<Budgets>,
    /// Set once the server refused to take events of ours.
    pub(super) no_events: AtomicBool,
    runtime: Handle,
    pace: Pace,
    out: Sender,
    inbox: AsyncMutex<Inbox>,
    pods: Mutex<(Watch, PodWatches)>,
    /// Nodes come into flight one by one, each with a list of its own: there it pays to have the list in the watch.
    streams: Arc<AtomicBool>,
    budgets_wanted: watch::Sender<BTreeSet<PdbRef>>,
}

struct Inbox {
    batches: mpsc::Receiver<Result<Vec<Change>, PortError>>,
    /// An error that came behind changes: told once those are taken.
    error: Option<PortError>,
    started: Option<Started>,
    budgets_wanted: watch::Receiver<BTreeSet<PdbRef>>,
}

/// Dropped to end the watches.
struct Started {
    _stops: Vec<oneshot::Sender<()>>,
}

impl KubeCluster {
    /// A view of this group; nothing is sent yet.
    ///
    /// # Panics
    /// Outside a tokio runtime: it is where the watches will run.
    #[must_use]
    pub fn new(connection: Connection, scope: Scope) -> Self {
        let (out, batches) = mpsc::channel(WAITING);
        let (budgets_wanted, wanted) = watch::channel(BTreeSet::new());
        Self {
            connection,
            scope,
            seen: Seen::default(),
            nodes: Arc::default(),
            pod_acts: Semaphore::new(IN_FLIGHT),
            other_acts: Semaphore::new(IN_FLIGHT),
            budgets: Arc::default(),
            no_events: AtomicBool::new(false),
            runtime: Handle::current(),
            pace: Pace::default(),
            out,
            inbox: AsyncMutex::new(Inbox { batches, error: None, started: None, budgets_wanted: wanted }),
            pods: Mutex::default(),
            streams: Arc::new(AtomicBool::new(true)),
            budgets_wanted,
        }
    }

    /// Looks at the pods of blocking budgets at another pace.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Looks at these nodes.
    #[must_use]
    pub fn seeing(mut self, seen: Seen) -> Self {
        self.seen = seen;
        self
    }

    fn source(&self) -> Source {
        Source::all(self.connection.client.clone(), self.connection.server().into())
    }

    fn start(&self, budgets_wanted: watch::Receiver<BTreeSet<PdbRef>>) -> Started {
        let mut stops = Vec::new();
        let budgets = Arc::clone(&self.budgets);
        let seen = match &self.seen {
            Seen::OfGroup => Some(Source { labels: Some(self.scope.node_labels()), ..self.source() }),
            Seen::Only(name) => Some(Source { fields: Some(format!("metadata.name={name}")), ..self.source() }),
            Seen::NoNode => None,
        };
        let mut spawn = |task: futures::future::BoxFuture<'static, ()>| {
            let (stop, stopped) = oneshot::channel::<()>();
            stops.push(stop);
            self.runtime.spawn(async move {
                tokio::select! {
                    () = task => {}
                    _ = stopped => {}
                }
            });
        };
        let out = self.out.clone();
        match seen {
            Some(seen) => spawn(Box::pin(nodes(seen, Nodes(Arc::clone(&self.nodes)), out, self.pace.volumes_again))),
            // Nobody may listen any more.
            None => spawn(Box::pin(async move { drop(out.send(Ok(vec![Change::Listed(Gap::Nodes)])).await) })),
        }
        spawn(Box::pin(follow(self.source(), Pdbs(Arc::clone(&budgets)), self.out.clone())));
        spawn(Box::pin(follow(self.source(), DaemonSets, self.out.clone())));
        spawn(Box::pin(budget_pods::run(self.source(), budgets, budgets_wanted, self.out.clone(), self.pace)));
        Started { _stops: stops }
    }
}

/// The zones of volumes come before the nodes: once the nodes are known, so is which of them hold volumes.
async fn nodes(source: Source, kind: Nodes, out: Sender, volumes_again: Duration) {
    let (client, server) = (source.client.clone(), Arc::clone(&source.server));
    let zonal = volumes::zonal(&client, &server).await;
    let known = zonal.as_ref().ok().cloned();
    let told = out.send(zonal.map(|zonal| vec![zonal.change()])).await;
    if let (Some(known), Ok(())) = (known, told) {
        tokio::select! {
            () = follow(source, kind, out.clone()) => {}
            () = volumes::keep_current(client, server, known, volumes_again, out) => {}
        }
    }
}

impl Cluster for KubeCluster {
    fn anew(&self) -> Self {
        Self::new(self.connection.clone(), self.scope.clone()).with_pace(self.pace).seeing(self.seen.clone())
    }

    async fn changes(&self) -> Result<Vec<Change>, PortError> {
        let mut inbox = self.inbox.lock().await;
        if inbox.started.is_none() {
            inbox.started = Some(self.start(inbox.budgets_wanted.clone()));
        }
        if let Some(error) = inbox.error.clone() {
            return Err(error);
        }
        let mut batches = Vec::new();
        inbox.batches.recv_many(&mut batches, WAITING).await;
        let mut changes = Vec::new();
        for batch in batches {
            match batch {
                Ok(batch) => changes.extend(batch),
                Err(error) => drop(inbox.error.get_or_insert(error)),
            }
        }
        match inbox.error.clone() {
            Some(error) if changes.is_empty() => Err(error),
            _ => Ok(changes),
        }
    }

    fn watch(&self, watch: &Watch) {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let (wanted, watches) = &mut *pods;
        if wanted.pods_on != watch.pods_on {
            let offered = Arc::clone(&self.streams);
            let streams = Some(Streams { offered, first_events: self.pace.first_events });
            let source = Source { streams, ..self.source() };
            watches.want(&watch.pods_on, &source, &self.out, &self.runtime);
        }
        if wanted.pods_of != watch.pods_of {
            self.budgets_wanted.send_replace(watch.pods_of.clone());
        }
        wanted.clone_from(watch);
    }

    fn act(&self, act: &KubeAct) -> impl Future<Output = Outcome> + Send {
        self.perform(act)
    }

    /// One paged list of all Nodes, whatever their labels.
    async fn without_node(&self, instances: &BTreeSet<InstanceId>) -> Result<BTreeSet<InstanceId>, PortError> {
        let instance_of = |node: core::Node| convert::instance_of(&node.spec?.provider_id?);
        let nodes = self.source().list(None, instance_of).await;
        let (joined, _) = nodes.map_err(|failure| failure.port(self.connection.server(), "list nodes"))?;
        let joined: BTreeSet<InstanceId> = joined.into_iter().flatten().collect();
        Ok(instances.difference(&joined).cloned().collect())
    }

    async fn look(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        self.answers(asks).await
    }

    async fn announce(&self, notices: &[Notice]) {
        self.tell(notices).await;
    }

    async fn intent(&self) -> Result<Option<Intent>, PortError> {
        self.read_intent().await
    }
}
