//! Looks on while something happens: how many Nodes serve, and whether every budget holds, at every moment.
//!
//! It watches, so it sees every state that the API server has had, however short, and not what was there when it asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Config, ResourceExt as _};
use tokio::sync::oneshot;

/// A thread that watches as an admin.
pub struct Sampler {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Seen>,
}

/// What it saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The fewest Nodes of the group that were Ready and schedulable at a time.
    pub fewest_serving: usize,
    /// The most Nodes of the group at a time.
    pub most_nodes: usize,
    /// The most Nodes of the group that were cordoned at a time.
    pub most_cordoned: usize,
    /// Each moment at which a budget had fewer healthy pods than it promises: when, which, how many.
    pub broken_budgets: Vec<String>,
    /// How many states were seen; few of them prove little.
    pub states: usize,
}

impl Sampler {
    /// Begins, and returns when it has seen the first state. Without a label every Node belongs to the group.
    pub fn start(kubeconfig: &Path, label: Option<String>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, ready) = mpsc::channel();
        let kubeconfig = kubeconfig.to_owned();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(watch(&kubeconfig, label, tell, stopped))
        });
        ready.recv_timeout(Duration::from_secs(60)).expect("the sampler sees the first state");
        Self { stop, thread }
    }

    /// Ends it.
    pub fn finish(self) -> Seen {
        let _ = self.stop.send(());
        self.thread.join().expect("the sampler does not panic")
    }
}

#[derive(Default)]
struct Eye {
    /// Ready, cordoned.
    nodes: BTreeMap<String, (bool, bool)>,
    /// Objects of a list that is being read.
    listed: BTreeMap<String, (bool, bool)>,
    seen: Option<Seen>,
}

async fn watch(
    kubeconfig: &Path,
    label: Option<String>,
    tell: mpsc::Sender<()>,
    mut stopped: oneshot::Receiver<()>,
) -> Seen {
    let read = Kubeconfig::read_from(kubeconfig).expect("the admin's kubeconfig");
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.expect("a good kubeconfig");
    let client = Client::try_from(config).expect("a client");
    let of_group = label.iter().fold(watcher::Config::default(), |config, label| config.labels(label));
    // A restarting API server is part of some tests: errors are waited out.
    let backoff = Duration::from_millis(200);
    let mut nodes = Box::pin(watcher(Api::<Node>::all(client.clone()), of_group).into_stream());
    let mut budgets =
        Box::pin(watcher(Api::<PodDisruptionBudget>::all(client), watcher::Config::default()).into_stream());
    let mut eye = Eye::default();
    let (mut nodes_listed, mut budgets_listed) = (false, false);
    loop {
        tokio::select! {
            _ = &mut stopped => return eye.seen.unwrap_or_default(),
            event = nodes.next() => match event.expect("watches do not end") {
                Ok(event) => { nodes_listed |= matches!(event, Event::InitDone); eye.node(event); }
                Err(_) => tokio::time::sleep(backoff).await,
            },
            event = budgets.next() => match event.expect("watches do not end") {
                Ok(event) => { budgets_listed |= matches!(event, Event::InitDone); eye.budget(event); }
                Err(_) => tokio::time::sleep(backoff).await,
            },
        }
        if nodes_listed && budgets_listed {
            if eye.seen.is_none() {
                eye.seen = Some(Seen { fewest_serving: usize::MAX, ..Seen::default() });
                let _ = tell.send(());
            }
            eye.look();
        }
    }
}

impl Eye {
    fn node(&mut self, event: Event<Node>) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(node) => {
                self.listed.insert(node.name_any(), state_of(&node));
            }
            Event::InitDone => self.nodes = std::mem::take(&mut self.listed),
            Event::Apply(node) => {
                self.nodes.insert(node.name_any(), state_of(&node));
            }
            Event::Delete(node) => {
                self.nodes.remove(&node.name_any());
            }
        }
    }

    fn budget(&mut self, event: Event<PodDisruptionBudget>) {
        match event {
            Event::InitApply(budget) | Event::Apply(budget) => {
                let name = format!("{}/{}", budget.namespace().unwrap_or_default(), budget.name_any());
                let status = budget.status.unwrap_or_default();
                if let Some(seen) = self.seen.as_mut().filter(|_| status.current_healthy < status.desired_healthy) {
                    seen.broken_budgets.push(format!(
                        "{} {name}: {} healthy of {} promised",
                        Timestamp::now(),
                        status.current_healthy,
                        status.desired_healthy
                    ));
                }
            }
            Event::Init | Event::InitDone | Event::Delete(_) => {}
        }
    }

    fn look(&mut self) {
        let Some(seen) = &mut self.seen else { return };
        let serving = self.nodes.values().filter(|(ready, cordoned)| *ready && !cordoned).count();
        let cordoned = self.nodes.values().filter(|(_, cordoned)| *cordoned).count();
        seen.fewest_serving = seen.fewest_serving.min(serving);
        seen.most_nodes = seen.most_nodes.max(self.nodes.len());
        seen.most_cordoned = seen.most_cordoned.max(cordoned);
        seen.states += 1;
    }
}

fn state_of(node: &Node) -> (bool, bool) {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default();
    (ready, cordoned)
}
