//! The pods of the nodes that matter now: one watch a node that begins with what is there, for as long as it is wanted.

use std::collections::{BTreeMap, BTreeSet};

use tokio::{runtime::Handle, sync::oneshot, task::JoinHandle};

use super::{
    follow::{Sender, Source, follow},
    kinds::PodsOn,
};
use crate::domain::{Change, NodeName};

/// The nodes whose pods are followed.
#[derive(Default)]
pub(super) struct PodWatches {
    running: BTreeMap<NodeName, Running>,
    /// Those that were told to stop and have not said `PodsUnwatched` yet.
    ending: BTreeMap<NodeName, JoinHandle<()>>,
}

struct Running {
    /// Dropped to stop.
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl PodWatches {
    /// Starts and stops so that just these nodes are followed.
    pub(super) fn want(&mut self, nodes: &BTreeSet<NodeName>, source: &Source, out: &Sender, runtime: &Handle) {
        let unwanted: Vec<_> = self.running.keys().filter(|node| !nodes.contains(*node)).cloned().collect();
        for node in unwanted {
            if let Some(running) = self.running.remove(&node) {
                self.ending.insert(node, running.task);
            }
        }
        self.ending.retain(|_, task| !task.is_finished());
        for node in nodes.iter().filter(|node| !self.running.contains_key(*node)).cloned().collect::<Vec<_>>() {
            let (stop, stopped) = oneshot::channel();
            let fields = Some(format!("spec.nodeName={node}"));
            let source = Source { fields, ..source.clone() };
            let before = self.ending.remove(&node);
            let task = runtime.spawn(run(node.clone(), source, out.clone(), stopped, before));
            self.running.insert(node, Running { _stop: stop, task });
        }
    }
}

async fn run(
    node: NodeName,
    source: Source,
    out: Sender,
    stopped: oneshot::Receiver<()>,
    before: Option<JoinHandle<()>>,
) {
    // The last watch of this node says `PodsUnwatched` when it ends; that must not come after our first list.
    if let Some(before) = before {
        drop(before.await);
    }
    tokio::select! {
        () = follow(source, PodsOn(node.clone()), out.clone()) => {}
        _ = stopped => drop(out.send(Ok(vec![Change::PodsUnwatched(node)])).await),
    }
}
