//! Which update of EKS somebody asks about.

use std::collections::BTreeSet;

use thiserror::Error;

use super::driver::Ports;
use crate::{
    domain::{Ask, Dossier, Known, Lack, NodegroupName, Query, Snapshot, Subject},
    ports::{Clock, Cloud, Cluster, Lock},
};

/// Why there is no such update to look at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoUpdate {
    /// EKS updates only what it manages.
    #[error("the group is self-managed: EKS keeps no updates of it")]
    SelfManaged,
    /// Nothing of EKS's went wrong, or it was done again since.
    #[error("nodegroup/{nodegroup} has no update that failed or is under way")]
    NoneFailed {
        /// Which.
        nodegroup: NodegroupName,
    },
    /// It is another group's.
    #[error("update {id} is not of this group but of nodegroup/{nodegroup}")]
    Elsewhere {
        /// As it was asked for.
        id: String,
        /// Whose it is.
        nodegroup: NodegroupName,
    },
    /// Nobody has it.
    #[error("nodegroup/{nodegroup} has no update {id}")]
    Unknown {
        /// Whose it was to be.
        nodegroup: NodegroupName,
        /// As it was asked for.
        id: String,
        /// Those that it has, the newest first.
        known: Vec<String>,
    },
    /// AWS does not tell.
    #[error("the updates of the node group cannot be read: {lacking}")]
    NotTold {
        /// Why not.
        lacking: Lack,
    },
}

/// The update with this id, or without one the newest that failed or is under way.
///
/// # Errors
/// [`NoUpdate`]
pub(super) async fn named<C: Cluster, A: Cloud, K: Clock, L: Lock>(
    ports: &Ports<C, A, K, L>,
    snapshot: &Snapshot,
    id: Option<&str>,
) -> Result<Subject, NoUpdate> {
    let group = snapshot.group();
    let nodegroup = group.and_then(|group| group.nodegroup.as_ref()).ok_or(NoUpdate::SelfManaged)?.name.clone();
    if let Some(update) = asked(ports, &Ask::update(id)).await? {
        return Ok(Subject::Update(update.id));
    }
    let Some(id) = id.map(str::to_owned) else { return Err(NoUpdate::NoneFailed { nodegroup }) };
    // What is only to help may fail.
    if let Ok(Some(nodegroup)) = asked(ports, &Ask::update_elsewhere(&id)).await {
        return Err(NoUpdate::Elsewhere { id, nodegroup });
    }
    let known = asked(ports, &Ask::updates()).await.unwrap_or_default();
    let known = known.into_iter().map(|update| update.id).collect();
    Err(NoUpdate::Unknown { nodegroup, id, known })
}

async fn asked<C: Cluster, A: Cloud, K: Clock, L: Lock, T: Clone>(
    ports: &Ports<C, A, K, L>,
    query: &Query<T>,
) -> Result<T, NoUpdate> {
    let mut dossier = Dossier::default();
    for answer in ports.cloud.look(&BTreeSet::from([query.ask.clone()])).await {
        dossier.apply(ports.clock.now(), answer);
    }
    match dossier.answer(query) {
        Known::Is(fact) => Ok(fact.clone()),
        Known::Unknown(lacking) => Err(NoUpdate::NotTold { lacking }),
    }
}
