//! Instances become Nodes of a real API server, and take their pods with them when they go.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use mngup::{
    domain::InstanceId,
    sim::asg::{AsgEvent, AsgEventKind, InstanceState},
};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{eks::NODE_ROLE, faults::Joins, state::State};

/// A pod that had to leave and was still there when its instance was terminated: it served, or it was stopping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KilledPod {
    /// `namespace/name`
    pub pod: String,
    /// Where it ran.
    pub node: String,
    /// On which machine.
    pub instance: String,
    /// Whether it had been asked to stop and was not done with it.
    pub stopping: bool,
    /// When.
    pub at: Timestamp,
}

/// Between the world and the API server.
#[derive(Clone)]
pub struct Bridge {
    state: Arc<Mutex<State>>,
    client: Client,
}

impl Bridge {
    /// Connects as whoever the kubeconfig names; that should be somebody who may do everything.
    pub async fn connect(state: Arc<Mutex<State>>, kubeconfig: &Path) -> Result<Self, String> {
        let said = |error: &dyn std::error::Error| format!("{}: {error}", kubeconfig.display());
        let read = Kubeconfig::read_from(kubeconfig).map_err(|error| said(&error))?;
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(read, &options).await.map_err(|error| said(&error))?;
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| said(&error))?;
        Ok(Self { state, client })
    }

    /// Makes Nodes of the instances that are there, and waits until they are Ready.
    pub async fn join_existing(&self) -> Result<(), String> {
        let existing: Vec<_> = {
            let state = self.state();
            let serving = state.asg.instances().values().filter(|one| one.state == InstanceState::InService);
            serving.map(|one| one.id.clone()).collect()
        };
        for instance in &existing {
            self.create(instance).await?;
        }
        let nodes: Api<Node> = Api::all(self.client.clone());
        for _ in 0..600 {
            let all = nodes.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let ready = all.iter().filter(|node| is_ready(node)).count();
            if ready >= existing.len() || self.state().faults.joins != Joins::Ready {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the first nodes did not become Ready within a minute: does kwok run?".to_owned())
    }

    /// Follows what happens in the group until the world ends.
    pub async fn follow(self, mut events: UnboundedReceiver<AsgEvent>) {
        while let Some(event) = events.recv().await {
            let bridge = self.clone();
            // Each at its own pace: a slow join must not hold up a termination.
            tokio::spawn(async move {
                if let Err(trouble) = bridge.carry_out(&event).await {
                    eprintln!("bridge: {}: {trouble}", event.instance);
                    bridge.state().troubles.push_back(format!("{}: {trouble}", event.instance));
                }
            });
        }
    }

    async fn carry_out(&self, event: &AsgEvent) -> Result<(), String> {
        match event.kind {
            AsgEventKind::Running => {
                let (delay, joins) = {
                    let state = self.state();
                    (state.world.join, state.faults.joins)
                };
                tokio::time::sleep(delay).await;
                self.wait_for_access(&event.instance).await;
                if joins == Joins::Never || self.is_leaving(&event.instance) {
                    Ok(())
                } else {
                    self.create(&event.instance).await
                }
            }
            // With a lifecycle hook these are apart; what is there at the first is what the hook throws out, past every budget.
            AsgEventKind::Terminating | AsgEventKind::ShuttingDown => self.note_killed(&event.instance, event.at).await,
            AsgEventKind::Gone => self.remove(&event.instance).await,
            AsgEventKind::Launched { .. } | AsgEventKind::InService => Ok(()),
        }
    }

    /// A kubelet that is not let in tries again and again.
    async fn wait_for_access(&self, instance: &InstanceId) {
        while !self.state().world.access_entries.iter().any(|entry| entry == NODE_ROLE) && !self.is_leaving(instance) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn create(&self, instance: &InstanceId) -> Result<(), String> {
        let Some((name, node)) = self.node(instance) else { return Ok(()) };
        let node: Node = serde_json::from_value(node).map_err(|error| error.to_string())?;
        let nodes: Api<Node> = Api::all(self.client.clone());
        self.again(&format!("create node/{name}"), || async {
            match nodes.create(&PostParams::default(), &node).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Whoever is there now dies with the machine.
    async fn note_killed(&self, instance: &InstanceId, at: Timestamp) -> Result<(), String> {
        let Some(node) = self.name_of(instance) else { return Ok(()) };
        let killed = self.pods_on(&node).await?.into_iter().filter(is_killed).map(|pod| KilledPod {
            pod: title(&pod),
            node: node.clone(),
            instance: instance.to_string(),
            stopping: pod.metadata.deletion_timestamp.is_some(),
            at,
        });
        let mut state = self.state();
        for pod in killed {
            if !state.killed.iter().any(|known| (&known.pod, &known.node) == (&pod.pod, &pod.node)) {
                state.killed.push(pod);
            }
        }
        Ok(())
    }

    /// What the cloud controller and the pod garbage collector do: the Node goes, and what was bound to it.
    async fn remove(&self, instance: &InstanceId) -> Result<(), String> {
        let Some(node) = self.name_of(instance).filter(|_| !self.state().faults.keeps_nodes) else { return Ok(()) };
        let nodes: Api<Node> = Api::all(self.client.clone());
        self.again(&format!("delete node/{node}"), || async {
            gone(nodes.delete(&node, &DeleteParams::default()).await.map(drop))
        })
        .await?;
        for pod in self.pods_on(&node).await? {
            let pods: Api<Pod> =
                Api::namespaced(self.client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default());
            let name = pod.metadata.name.clone().unwrap_or_default();
            let at_once = DeleteParams::default().grace_period(0);
            self.again(&format!("delete pod/{}", title(&pod)), || async {
                gone(pods.delete(&name, &at_once).await.map(drop))
            })
            .await?;
        }
        Ok(())
    }

    async fn pods_on(&self, node: &str) -> Result<Vec<Pod>, String> {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let found = Mutex::new(Vec::new());
        self.again(&format!("list pods of node/{node}"), || async {
            let list = pods.list(&here).await?;
            *found.lock().expect("nobody panics with it") = list.items;
            Ok(())
        })
        .await?;
        Ok(found.into_inner().expect("nobody panics with it"))
    }

    /// An API server that restarts in the middle of a test is part of some tests.
    async fn again<F, T>(&self, what: &str, mut ask: F) -> Result<(), String>
    where
        F: FnMut() -> T,
        T: Future<Output = Result<(), kube::Error>>,
    {
        let mut last = String::new();
        for _ in 0..100 {
            match ask().await {
                Ok(()) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Err(format!("{what}: {last}"))
    }

    /// The Node as its kubelet registers it.
    fn node(&self, instance: &InstanceId) -> Option<(String, serde_json::Value)> {
        let mut state = self.state();
        let described = state.asg.instance(instance)?.clone();
        let number = state.nodes.len();
        let zone_number = state.world.zones.iter().position(|zone| zone == described.zone.as_str()).unwrap_or_default();
        let region = state.world.region.clone();
        let name = format!("ip-10-0-{}-{}.{region}.compute.internal", zone_number + 1, number + 11);
        state.nodes.insert(instance.clone(), name.clone());
        let world = &state.world;
        let version = described.template.as_ref().map_or("0", |template| template.version.as_str());
        let mut labels = json!({
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": described.instance_type,
            "topology.kubernetes.io/region": region,
            "topology.kubernetes.io/zone": described.zone,
        });
        if let Some(nodegroup) = &world.nodegroup {
            labels["eks.amazonaws.com/nodegroup"] = json!(nodegroup);
            labels["eks.amazonaws.com/nodegroup-image"] = json!(format!("ami-0{version:0>16}"));
            labels["eks.amazonaws.com/capacityType"] = json!("ON_DEMAND");
            labels["eks.amazonaws.com/sourceLaunchTemplateVersion"] = json!("1");
        }
        let (cpu, memory, pods) = world.node_size;
        let size = json!({ "cpu": cpu.to_string(), "memory": format!("{memory}Gi"), "pods": pods.to_string() });
        let annotations = match state.faults.joins {
            Joins::NotReady => json!({ "mngup.test/never-ready": "true" }),
            Joins::Ready | Joins::Never => json!({}),
        };
        let mut node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": name, "labels": labels, "annotations": annotations },
            "spec": {
                "providerID": format!("aws:///{}/{instance}", described.zone),
                "taints": [{ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" }],
            },
            "status": {
                "capacity": size,
                "allocatable": size,
                "addresses": [{ "type": "Hostname", "address": name }],
                "nodeInfo": {
                    "kubeletVersion": if version == "1" { "v1.35.3-eks-0abcdef" } else { "v1.36.3-eks-0fedcba" },
                    "architecture": "amd64",
                    "bootID": "",
                    "containerRuntimeVersion": "containerd://2.1.5",
                    "kernelVersion": "6.12.50",
                    "kubeProxyVersion": "",
                    "machineID": "",
                    "operatingSystem": "linux",
                    "osImage": "Amazon Linux 2023",
                    "systemUUID": "",
                },
            },
        });
        if let Some(beyond) = state.faults.newcomers.pop_front() {
            merge(&mut node, beyond);
        }
        Some((name, node))
    }

    fn name_of(&self, instance: &InstanceId) -> Option<String> {
        self.state().nodes.get(instance).cloned()
    }

    fn is_leaving(&self, instance: &InstanceId) -> bool {
        self.state().asg.instance(instance).is_none_or(|one| one.state.is_leaving())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no handler panics")
    }
}

/// As RFC 7386 merges, but that nothing is taken away.
fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (field, value) in patch {
                merge(into.entry(field).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// Not those that had ended, or belong to the node as `DaemonSet` and static pods do.
fn is_killed(pod: &Pod) -> bool {
    let meta = &pod.metadata;
    let mirror = meta.annotations.as_ref().is_some_and(|all| all.contains_key("kubernetes.io/config.mirror"));
    let daemon = meta.owner_references.iter().flatten().any(|owner| owner.kind == "DaemonSet");
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    !mirror && !daemon && !["Succeeded", "Failed"].contains(&phase)
}

fn title(pod: &Pod) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}", part(&pod.metadata.namespace), part(&pod.metadata.name))
}

fn gone(answer: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        answer => answer,
    }
}
