//! Zones that hold volumes which cannot leave them.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::core::v1 as core;
use kube::Client;

use super::{convert, follow::Source, trouble::Trouble};
use crate::{domain::Zone, ports::PortError};

/// Reads them once, page by page. Without the right to list volumes no zone counts as holding one.
pub(super) async fn zones(client: &Client, server: &Arc<str>) -> Result<BTreeSet<Zone>, PortError> {
    let source = Source::all(client.clone(), Arc::clone(server));
    let mut trouble = Trouble::default();
    loop {
        let zones = |volume: core::PersistentVolume| convert::zone_of_volume(volume).into_iter().collect::<Vec<_>>();
        match source.list(None, zones).await {
            Ok((zones, _)) => return Ok(zones.into_iter().flatten().collect()),
            Err(failure) if failure.code() == Some(403) => {
                tracing::warn!(
                    reason = failure.line(),
                    "no right to list persistentvolumes: zones with volumes are not told from others"
                );
                return Ok(BTreeSet::new());
            }
            Err(failure) => trouble.wait(failure, server, "list", "persistentvolumes").await?,
        }
    }
}
