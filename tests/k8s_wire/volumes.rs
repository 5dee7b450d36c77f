//! Zones that hold volumes: read before the nodes, again every so often, and not at all where that is not allowed.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use mngup::{
    adapters::k8s::{KubeCluster, Pace},
    domain::{Change, Gap},
};
use serde_json::{Value, json};

use crate::server::{Reply, Server, list, quiet, status, until};

const VOLUMES: &str = "GET /api/v1/persistentvolumes";

/// What comes until the nodes are listed.
async fn listed(cluster: &KubeCluster) -> Vec<Change> {
    until(cluster, |change| *change == Change::Listed(Gap::Nodes)).await
}

#[tokio::test]
async fn without_the_right_to_list_volumes_no_zone_holds_any_and_that_is_told() {
    let server = Server::start(|seen| match seen.line().as_str() {
        VOLUMES => Reply::Json(403, status(403, "Forbidden", "no", Value::Null)),
        _ => quiet(seen),
    })
    .await;
    let changes = listed(&server.cluster()).await;
    let told = |change: &Change| matches!(change, Change::Unseen(what) if what.contains("list persistentvolumes"));
    assert!(changes.iter().any(told), "{changes:?}");
    assert!(!changes.iter().any(|change| matches!(change, Change::ZonalVolumes(_))), "{changes:?}");
}

#[tokio::test]
async fn a_refusal_while_the_server_reads_its_roles_hides_no_volumes() {
    let asked = AtomicU32::new(0);
    let server = Server::start(move |seen| match seen.line().as_str() {
        VOLUMES if asked.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::Json(403, status(403, "Forbidden", "clusterrole \"mngup\" not found", Value::Null))
        }
        VOLUMES => list("7", &[volume("eu-west-1a")]),
        _ => quiet(seen),
    })
    .await;
    let zones = Change::ZonalVolumes(BTreeSet::from(["eu-west-1a".into()]));
    assert!(listed(&server.cluster()).await.contains(&zones));
}

#[tokio::test]
async fn a_volume_that_comes_in_the_middle_of_a_run_is_found() {
    let asked = AtomicU32::new(0);
    let server = Server::start(move |seen| match seen.line().as_str() {
        VOLUMES if asked.fetch_add(1, Ordering::SeqCst) < 2 => list("7", &[volume("eu-west-1a")]),
        VOLUMES => list("9", &[volume("eu-west-1a"), volume("eu-west-1b")]),
        _ => quiet(seen),
    })
    .await;
    let cluster = server.cluster().with_pace(Pace { volumes_again: Duration::from_millis(50), ..Pace::default() });
    let changes = listed(&cluster).await;
    let zones = |names: &[&str]| Change::ZonalVolumes(names.iter().map(|name| (*name).into()).collect());
    assert!(changes.contains(&zones(&["eu-west-1a"])), "{changes:?}");
    let both = zones(&["eu-west-1a", "eu-west-1b"]);
    until(&cluster, |change| *change == both).await;
}

/// A volume that cannot leave this zone.
fn volume(zone: &str) -> Value {
    json!({ "metadata": { "name": zone }, "spec": { "nodeAffinity": { "required": {
        "nodeSelectorTerms": [{ "matchExpressions": [
            { "key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone] },
        ] }],
    } } } })
}
