//! Whom a question means: nodes and pods by the names that people type.

use super::{diagnose::NotDiagnosed, driver::Ports, observe::look_at_pods, upgrade::members};
use crate::{
    domain::{Ask, Change, Dossier, Known, Lack, NodeName, Pod, PodRef, Snapshot},
    ports::{Clock, Cloud, Cluster, Lock, PortError, Watch},
};

/// Names that are near to one that does not exist are worth looking for on so many nodes: each costs a list.
const LOOKED_THROUGH: usize = 50;

/// The node that is called so, or begins so before the first dot.
pub(super) fn node(snapshot: &Snapshot, name: &str) -> Result<NodeName, NotDiagnosed> {
    let whole = known(snapshot).find(|node| node.as_str() == name);
    let mut begin_so = known(snapshot).filter(|node| node.as_str().split('.').next() == Some(name));
    match (whole, begin_so.next(), begin_so.next()) {
        (Some(node), _, _) | (None, Some(node), None) => Ok(node.clone()),
        (None, None, _) | (None, Some(_), Some(_)) => {
            let nodes = known(snapshot).map(ToString::to_string).collect();
            Err(NotDiagnosed::NoSuchNode { name: name.to_owned(), nodes })
        }
    }
}

/// The group's nodes, or all that were seen where there is no group.
fn known(snapshot: &Snapshot) -> Box<dyn Iterator<Item = &NodeName> + '_> {
    match snapshot.group() {
        Some(_) => Box::new(members(snapshot)),
        None => Box::new(snapshot.nodes().keys()),
    }
}

/// The pod that is called so, which is looked at from now on. It need not have a node.
pub(super) async fn pod<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
    namespace: &str,
    name: &str,
) -> Result<PodRef, NotDiagnosed> {
    match read(ports, namespace, name).await? {
        Some(pod) => {
            let id = pod.id.clone();
            take_in(ports, snapshot, watch, pod).await?;
            Ok(id)
        }
        None => Err(no_such_pod(ports, snapshot, watch, namespace, name).await?),
    }
}

/// Looks again at a pod that had no node: it may have one by now.
pub(super) async fn follow<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
    id: &PodRef,
) -> Result<(), NotDiagnosed> {
    if snapshot.pod(&id.uid).is_none_or(|pod| pod.node.is_some()) {
        return Ok(());
    }
    match read(ports, &id.namespace, &id.name).await? {
        Some(pod) if pod.id.uid == id.uid => take_in(ports, snapshot, watch, pod).await,
        Some(_) | None => {
            snapshot.apply(Change::PodGone(id.uid.clone()));
            Ok(())
        }
    }
}

async fn take_in<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
    pod: Pod,
) -> Result<(), NotDiagnosed> {
    match &pod.node {
        None => snapshot.apply(Change::Pod(Box::new(pod))),
        Some(node) if snapshot.node(node).is_some() => {
            watch.pods_on.insert(node.clone());
            look_at_pods(ports, snapshot, watch).await?;
        }
        Some(node) => {
            let PodRef { namespace, name, uid: _ } = pod.id;
            return Err(NotDiagnosed::PodElsewhere { namespace, name, node: node.clone() });
        }
    }
    Ok(())
}

async fn read<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    namespace: &str,
    name: &str,
) -> Result<Option<Pod>, PortError> {
    let query = Ask::pod(namespace, name);
    let mut dossier = Dossier::default();
    for answer in ports.cluster.look(&[query.ask.clone()].into()).await {
        dossier.apply(ports.clock.now(), answer);
    }
    match dossier.answer(&query) {
        Known::Is(pod) => Ok(pod.as_deref().cloned()),
        Known::Unknown(Lack::Right(what)) => {
            Err(PortError::Forbidden { what, message: format!("pod/{namespace}/{name} cannot be looked at") })
        }
        Known::Unknown(lack @ (Lack::NotRead | Lack::Server(_) | Lack::NotOffered(_))) => {
            Err(PortError::Other { message: format!("pod/{namespace}/{name} cannot be read: {lack}") })
        }
    }
}

/// With the pods that may have been meant, where those are quickly found.
async fn no_such_pod<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &mut Watch,
    namespace: &str,
    name: &str,
) -> Result<NotDiagnosed, NotDiagnosed> {
    let nodes: Vec<NodeName> = known(snapshot).cloned().collect();
    if nodes.len() <= LOOKED_THROUGH {
        watch.pods_on.extend(nodes.iter().cloned());
        look_at_pods(ports, snapshot, watch).await?;
    }
    let all: Vec<_> = nodes.iter().flat_map(|node| snapshot.pods_on(node)).map(|pod| &pod.id).collect();
    let there = all.iter().any(|pod| pod.namespace == namespace);
    let near = all.iter().filter(|pod| !there || pod.namespace == namespace);
    let pods = near.map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    Ok(NotDiagnosed::NoSuchPod { namespace: namespace.to_owned(), name: name.to_owned(), pods })
}
