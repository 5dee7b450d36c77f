//! The first look: lists until nothing is missing.

use std::{collections::BTreeSet, time::Duration};

use futures::FutureExt;

use super::driver::Ports;
use crate::{
    domain::{Change, Gap, Intent, Snapshot, later, short},
    ports::{Clock, Cloud, Cluster, Lock, PortError, Watch},
};

/// How long the first lists may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a first look brings.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Everything that was seen.
    pub snapshot: Snapshot,
    /// The intent of an earlier run that can go on.
    pub intent: Option<Intent>,
}

/// Looks at group and cluster until the lists are complete.
///
/// # Errors
/// When either cannot be read.
pub async fn observe<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
) -> Result<Observed, PortError> {
    let mut snapshot = Snapshot::default();
    let (group, intent) = tokio::join!(ports.cloud.read(true), ports.cluster.intent());
    let (mut group, intent) = (group?, intent?);
    let ends = later(ports.clock.now(), PATIENCE);
    snapshot.apply(Change::Group(Box::new(group.clone())));
    see(ports, &mut snapshot, ends, |snapshot| snapshot.gaps().iter().map(ToString::to_string).collect()).await?;
    let suspects: BTreeSet<_> = group.instances.keys().filter(|id| snapshot.node_of(id).is_none()).cloned().collect();
    if !suspects.is_empty() {
        let without = ports.cluster.without_node(&suspects).await?;
        for instance in group.instances.values_mut().filter(|instance| without.contains(&instance.id)) {
            instance.no_node = true;
        }
        snapshot.apply(Change::Group(Box::new(group)));
    }
    Ok(Observed { snapshot, intent })
}

/// Looks at nodes that are of no group that is known, until the lists are complete.
pub(super) async fn observe_apart<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
) -> Result<Observed, PortError> {
    let mut snapshot = Snapshot::default();
    let ends = later(ports.clock.now(), PATIENCE);
    let missing = |snapshot: &Snapshot| {
        let gaps = snapshot.gaps().iter().filter(|gap| **gap != Gap::Group);
        gaps.map(ToString::to_string).collect()
    };
    see(ports, &mut snapshot, ends, missing).await?;
    Ok(Observed { snapshot, intent: None })
}

/// Takes in what the watches brought since.
pub(super) async fn hear_changes<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
) -> Result<(), PortError> {
    while let Some(changes) = ports.cluster.changes().now_or_never() {
        for change in changes? {
            snapshot.apply(change);
        }
    }
    Ok(())
}

/// Takes in what happened since: what the watches brought, and the group as it is now.
pub(super) async fn look_again<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
) -> Result<(), PortError> {
    hear_changes(ports, snapshot).await?;
    let mut group = ports.cloud.read(true).await?;
    for instance in group.instances.values_mut() {
        let known = snapshot.group().and_then(|group| group.instances.get(&instance.id));
        instance.no_node |= known.is_some_and(|known| known.no_node) && snapshot.node_of(&instance.id).is_none();
    }
    snapshot.apply(Change::Group(Box::new(group)));
    Ok(())
}

/// Looks again at everything, and at what the cluster remembers: only what is seen under the lock counts.
pub(super) async fn look_on<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
) -> Result<Option<Intent>, PortError> {
    let intent = ports.cluster.intent().await?;
    look_again(ports, snapshot).await?;
    Ok(intent)
}

/// Looks at the pods too that `watch` asks for.
pub(super) async fn look_at_pods<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    watch: &Watch,
) -> Result<(), PortError> {
    ports.cluster.watch(watch);
    let ends = later(ports.clock.now(), PATIENCE);
    see(ports, snapshot, ends, |snapshot| {
        let nodes = watch.pods_on.iter().filter(|node| !snapshot.knows_pods_of(node));
        let budgets = watch.pods_of.iter().filter(|pdb| snapshot.pods_of_pdb(pdb).is_none());
        let nodes = nodes.map(|node| format!("the pods on node/{node}"));
        nodes.chain(budgets.map(|pdb| format!("the pods of {pdb}"))).collect()
    })
    .await
}

/// Waits until nothing is missing any more.
async fn see<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &mut Snapshot,
    ends: jiff::Timestamp,
    missing: impl Fn(&Snapshot) -> Vec<String>,
) -> Result<(), PortError> {
    loop {
        let missing = missing(snapshot);
        if missing.is_empty() {
            return Ok(());
        }
        tokio::select! {
            changes = ports.cluster.changes() => {
                for change in changes? {
                    snapshot.apply(change);
                }
            }
            () = ports.clock.sleep_until(ends) => return Err(overdue(&missing)),
        }
    }
}

fn overdue(missing: &[String]) -> PortError {
    const NAMED: usize = 3;
    let more = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let missing = missing.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("its lists did not come within {}; still missing: {missing}{more}", short(PATIENCE));
    PortError::Unreachable { server: "the Kubernetes API server".to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_is_named() {
        let gaps: Vec<_> = [Gap::Nodes, Gap::Pdbs, Gap::DaemonSets, Gap::Group].map(|gap| gap.to_string()).into();
        assert_eq!(
            overdue(&gaps).to_string(),
            "the Kubernetes API server does not answer: its lists did not come within 2m; still missing: the group's \
             nodes, the budgets, the DaemonSets and 1 more"
        );
    }
}
