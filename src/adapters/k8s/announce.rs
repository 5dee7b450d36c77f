//! Events of ours on the objects that a run waits for, so that `kubectl describe` shows why.

use std::sync::atomic::Ordering;

use k8s_openapi::api::core::v1 as core;
use kube::{
    Resource,
    api::{Patch, PatchParams},
    core::Request,
};
use serde_json::{Value, json};

use super::{act::MANAGER, answer::send, cluster::KubeCluster, names::fnv};
use crate::domain::{About, News, Notice};

/// Who says it: kubectl prints it in the column `From`.
pub(super) const REPORTER: &str = "mngup";

impl KubeCluster {
    /// Best effort: nothing waits for it, and whoever may not write events goes on without.
    pub(super) async fn tell(&self, notices: &[Notice]) {
        for notice in notices {
            if self.no_events.load(Ordering::Relaxed) {
                return;
            }
            let Some(event) = self.event(notice) else { continue };
            let place = event["metadata"]["namespace"].as_str().map(str::to_owned);
            let name = event["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            // Applied, so that what is said again is one object that counts.
            let params = PatchParams::apply(MANAGER).force();
            let request = Request::new(core::Event::url_path(&(), place.as_deref()));
            match send(&self.connection.client, request.patch(&name, &params, &Patch::Apply(event))).await {
                Ok(_) => {}
                Err(failure) if failure.is_refused() => {
                    tracing::debug!(reason = failure.line(), "no right to write events; kubectl describe shows none");
                    self.no_events.store(true, Ordering::Relaxed);
                }
                Err(failure) => tracing::debug!(reason = failure.line(), about = %notice.about, "an event is lost"),
            }
        }
    }

    /// The object; none for a budget whose uid is not known.
    fn event(&self, notice: &Notice) -> Option<Value> {
        let (namespace, about) = match &notice.about {
            // As the kubelet says it: `kubectl describe node` looks for the name as uid, and events of what has no
            // namespace are in this one.
            About::Node(node) => ("default", json!({ "apiVersion": "v1", "kind": "Node", "name": node, "uid": node })),
            About::Pdb(pdb) => {
                let about = json!({
                    "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                    "namespace": pdb.namespace, "name": pdb.name, "uid": self.budgets.uid(pdb)?,
                });
                (pdb.namespace.as_str(), about)
            }
        };
        let (kind, reason) = match notice.news {
            News::Blocked => ("Warning", "Blocked"),
            News::Unblocked => ("Normal", "Unblocked"),
        };
        let key = format!("{} {} {} {reason}", self.scope.group, notice.about, notice.cause);
        Some(json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "namespace": namespace, "name": format!("{REPORTER}.{:016x}", fnv(&key)) },
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": notice.says,
            "count": notice.count,
            "firstTimestamp": seconds(notice.first),
            "lastTimestamp": seconds(notice.at),
            "source": { "component": REPORTER },
            "reportingComponent": REPORTER,
        }))
    }
}

/// `metav1.Time` has no fractions.
fn seconds(at: jiff::Timestamp) -> String {
    format!("{at:.0}")
}
