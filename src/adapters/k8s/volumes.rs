//! Zones that hold volumes which cannot leave them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1 as core;
use kube::Client;
use tokio::time::sleep;

use super::{
    answer::Failure,
    convert,
    follow::{Sender, Source},
    trouble::Trouble,
};
use crate::{
    domain::{Change, Zone},
    ports::PortError,
};

/// What a run without the right to list volumes does not do.
pub(super) const UNSEEN: &str = "no right to list persistentvolumes: zones with volumes are not told from others, so \
                                 the last Ready node of a zone may go before a new one is Ready there";

/// Which zones hold some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Zonal {
    /// These.
    Zones(BTreeSet<Zone>),
    /// It may not be seen.
    Unseen,
}

impl Zonal {
    pub(super) fn change(&self) -> Change {
        match self {
            Self::Zones(zones) => Change::ZonalVolumes(zones.clone()),
            Self::Unseen => Change::Unseen(UNSEEN.to_owned()),
        }
    }
}

/// Reads them, page by page. A run can go on without the right to; nobody else's refusal is taken for that.
pub(super) async fn zonal(client: &Client, server: &Arc<str>) -> Result<Zonal, PortError> {
    let mut trouble = Trouble::default();
    loop {
        match list(client, server).await {
            Ok(zones) => return Ok(Zonal::Zones(zones)),
            Err(failure) => match trouble.wait(failure, server, "list", "persistentvolumes").await {
                Ok(()) => {}
                Err(PortError::Forbidden { .. }) => return Ok(Zonal::Unseen),
                Err(error) => return Err(error),
            },
        }
    }
}

/// Reads them again every so often while a run goes on for hours: a volume that comes meanwhile holds its zone, too.
/// Listed and not watched, because every volume of the cluster would come by for a set of zones that hardly changes.
pub(super) async fn keep_current(client: Client, server: Arc<str>, known: Zonal, every: Duration, out: Sender) {
    let Zonal::Zones(mut known) = known else { return std::future::pending().await };
    loop {
        sleep(every).await;
        match list(&client, &server).await {
            Ok(zones) if zones == known => {}
            Ok(zones) => {
                known.clone_from(&zones);
                if out.send(Ok(vec![Change::ZonalVolumes(zones)])).await.is_err() {
                    return;
                }
            }
            // What was read before holds until the next time.
            Err(failure) => tracing::info!(reason = failure.line(), "persistentvolumes could not be listed again"),
        }
    }
}

async fn list(client: &Client, server: &Arc<str>) -> Result<BTreeSet<Zone>, Failure> {
    let source = Source::all(client.clone(), Arc::clone(server));
    let zones = |volume: core::PersistentVolume| convert::zone_of_volume(&volume).into_iter().collect::<Vec<_>>();
    let (zones, _) = source.list(None, zones).await?;
    Ok(zones.into_iter().flatten().collect())
}
