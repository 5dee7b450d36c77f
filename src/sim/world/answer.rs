//! What a world tells a diagnosis that asks.

use super::{
    World,
    eviction::{WEBHOOK_NAMESPACE, WEBHOOK_SERVICE},
    state::Workload as SimWorkload,
    template::template,
};
use crate::{
    domain::{
        AccessEntries, AccessMode, Answer, Ask, Fact, IntOrPercent, Known, Lack, LifecycleHook, Namespace, NodeName,
        Owner, PdbRef, Pod, Quota, Strategy, Webhook, Workload,
    },
    sim::{
        asg::{Hook, HookKind, HookResult},
        spec::{AccessSpec, QuotaSpec, WorkloadKind},
    },
};

/// The role of the group's nodes.
pub(super) const NODE_ROLE: &str = "arn:aws:iam::111122223333:role/eks-node";

impl World {
    /// Answers as the API server or AWS would at this moment; nothing changes by it.
    #[must_use]
    pub fn answer(&self, ask: Ask) -> Answer {
        let right = right(&ask);
        if self.spec.denied.iter().any(|denied| right.starts_with(denied)) {
            return (ask, Known::Unknown(Lack::Right(right)));
        }
        let known = match &ask {
            Ask::PodsOn(node) => Known::Is(Fact::Pods(self.pods_on_node(node))),
            Ask::PodsOf(pdb) => Known::Is(Fact::Pods(self.pods_counted_by(pdb))),
            Ask::Pod { namespace, name } => Known::Is(Fact::Pod(self.pod_called(namespace, name).map(Box::new))),
            Ask::Workload { namespace, owner } => Known::Is(Fact::Workload(self.controller(namespace, owner))),
            Ask::Namespace(name) => Known::Is(Fact::Namespace(self.namespace(name))),
            Ask::Quotas(namespace) => Known::Is(Fact::Quotas(self.quotas(namespace))),
            Ask::Webhooks => Known::Is(Fact::Webhooks(self.webhooks())),
            Ask::Endpoints { namespace, service } => Known::Is(Fact::Endpoints(self.endpoints(namespace, service))),
            Ask::TryEviction(pod) => Known::Is(Fact::Eviction(self.clone().would_refuse(pod))),
            Ask::DaemonPods { namespace, name, node } => Known::Is(Fact::Pods(self.daemon_pods(namespace, name, node))),
            Ask::AwsAuth => Known::Is(Fact::AwsAuth(self.roles_in(AccessSpec::AwsAuth))),
            Ask::AccessEntries => {
                let principals = Known::Is(self.roles_in(AccessSpec::Entry).unwrap_or_default());
                Known::Is(Fact::AccessEntries(AccessEntries { mode: AccessMode::Both, principals }))
            }
            Ask::Hooks => Known::Is(Fact::Hooks(self.hooks())),
            Ask::Events(object) => Known::Is(Fact::Events(self.events(object))),
            Ask::AllNodes => Known::Is(Fact::Nodes(self.all_nodes())),
            Ask::Claim { namespace, name } => Known::Is(Fact::Claim(self.claim_called(namespace, name))),
            Ask::Attachments => Known::Is(Fact::Attachments(self.attachments())),
            Ask::NodeManagerRole => Known::Is(Fact::NodeManagerRole(self.node_manager_role())),
            Ask::Subnets => Known::Is(Fact::Subnets(self.group_subnets())),
            Ask::Updates => Known::Is(Fact::Updates(self.eks_updates())),
            Ask::UpdateElsewhere(_) => Known::Is(Fact::Nodegroup(None)),
            Ask::Update(id) => Known::Is(Fact::Update(self.eks_update(id.as_deref()))),
        };
        (ask, known)
    }

    fn pods_on_node(&self, node: &NodeName) -> Vec<Pod> {
        let pods = self.pods.values().map(|pod| &pod.object);
        pods.filter(|pod| pod.node.as_ref() == Some(node)).cloned().collect()
    }

    fn pod_called(&self, namespace: &str, name: &str) -> Option<Pod> {
        let mut pods = self.pods.values().map(|pod| &pod.object);
        pods.find(|pod| pod.id.namespace == namespace && pod.id.name == name).cloned()
    }

    fn pods_counted_by(&self, pdb: &PdbRef) -> Vec<Pod> {
        let is_it = |index: &usize| self.budgets[*index].object.id == *pdb && !self.budgets[*index].deleted;
        let index = (0..self.budgets.len()).find(is_it);
        index.into_iter().flat_map(|index| self.pods_of_budget(index)).map(|pod| pod.object.clone()).collect()
    }

    fn controller(&self, namespace: &str, owner: &Owner) -> Option<Workload> {
        let workload = self.workloads.iter().find(|workload| workload.is(namespace, owner))?;
        let pods = workload.pods.iter().filter_map(|key| self.pods.get(key));
        let ready = pods.filter(|pod| pod.object.ready).count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let spec = &workload.spec;
        let (strategy, above) = match (spec.kind, owner.kind.as_str()) {
            (WorkloadKind::Deployment, "ReplicaSet") => {
                (Strategy::Never, Some(Owner { kind: "Deployment".to_owned(), name: spec.name.clone() }))
            }
            (WorkloadKind::Deployment, _) => (Strategy::Surges, None),
            (WorkloadKind::StatefulSet | WorkloadKind::DaemonSet, _) => (Strategy::Rolls, None),
            (WorkloadKind::Job | WorkloadKind::Pod, _) => (Strategy::Never, None),
        };
        Some(Workload {
            replicas: (spec.kind != WorkloadKind::DaemonSet).then_some(workload.replicas),
            current: count(workload.pods.len()),
            ready: count(ready),
            strategy,
            may_be_out: (strategy == Strategy::Surges).then_some(IntOrPercent::Percent(25)),
            revision: Some(spec.revision),
            owner: above,
            managed_by: None,
            template: template(workload),
        })
    }

    fn daemon_pods(&self, namespace: &str, name: &str, node: &NodeName) -> Vec<Pod> {
        let mut pods = self.pods_on_node(node);
        pods.retain(|pod| pod.is_daemon() && pod.id.namespace == namespace);
        pods.retain(|pod| pod.owner.as_ref().is_some_and(|owner| owner.name == name));
        pods
    }

    /// The role of the group's nodes where it is listed; `aws-auth` is a map that may not be there at all.
    fn roles_in(&self, list: AccessSpec) -> Option<Vec<String>> {
        (self.spec.group.access == list).then(|| vec![NODE_ROLE.to_owned()])
    }

    fn hooks(&self) -> Vec<LifecycleHook> {
        let hook = |hook: &Hook| LifecycleHook {
            name: hook.name.clone(),
            at_launch: hook.kind == HookKind::Launching,
            heartbeat_seconds: u32::try_from(hook.heartbeat.as_secs()).unwrap_or(u32::MAX),
            default_result: match hook.default_result {
                HookResult::Continue => "CONTINUE",
                HookResult::Abandon => "ABANDON",
            }
            .to_owned(),
            notifies: Some("arn:aws:sns:eu-west-1:602401143452:eks-asg-lifecycle-hook-topic".to_owned()),
        };
        self.asg.config().hooks.iter().map(hook).collect()
    }

    fn namespace(&self, name: &str) -> Option<Namespace> {
        let lives = self.workloads.iter().any(|workload| workload.spec.namespace == name);
        let deleted = self.terminating_namespaces.get(name).cloned();
        deleted.or_else(|| lives.then_some(Namespace { deleting_since: None, remains: Vec::new() }))
    }

    fn quotas(&self, namespace: &str) -> Vec<Quota> {
        let used = self.pods_under_quota(namespace);
        let quota = |spec: &QuotaSpec| Quota {
            name: spec.name.clone(),
            hard: [("pods".to_owned(), spec.pods.to_string())].into(),
            used: [("pods".to_owned(), used.to_string())].into(),
        };
        self.spec.quotas.iter().filter(|quota| quota.namespace == namespace).map(quota).collect()
    }

    /// One configuration for each webhook, all with the same service behind them.
    fn webhooks(&self) -> Vec<Webhook> {
        let mut hooks: Vec<Webhook> = Vec::new();
        for hook in self.workloads.iter().filter_map(|workload| workload.spec.webhook.as_ref()) {
            if hooks.iter().all(|known| known.name != hook.name) {
                let config = hook.name.split('.').next().unwrap_or(&hook.name);
                hooks.push(Webhook {
                    config: format!("validatingwebhookconfiguration/{config}"),
                    index: 0,
                    name: hook.name.clone(),
                    fails_closed: true,
                    service: Some((WEBHOOK_NAMESPACE.to_owned(), WEBHOOK_SERVICE.to_owned())),
                    url: None,
                    namespaces: serde_json::json!({}),
                });
            }
        }
        hooks
    }

    /// How many answer behind the webhooks; no other service is played.
    fn endpoints(&self, namespace: &str, service: &str) -> Option<u32> {
        let down = self.workloads.iter().filter_map(|workload| workload.spec.webhook.as_ref()).any(|hook| hook.down);
        (namespace == WEBHOOK_NAMESPACE && service == WEBHOOK_SERVICE).then_some(u32::from(!down))
    }
}

/// What it needs, as the API server and AWS call it.
fn right(ask: &Ask) -> String {
    let within = |right: &str, namespace: &str| format!("{right} in namespace {namespace}");
    match ask {
        Ask::PodsOn(_) | Ask::PodsOf(_) => "list pods".to_owned(),
        Ask::Pod { namespace, .. } => within("get pods", namespace),
        Ask::DaemonPods { namespace, .. } => within("list pods", namespace),
        Ask::Events(object) => format!("list events of {object}"),
        Ask::Workload { namespace, owner } => within(&format!("get {}s", owner.kind.to_lowercase()), namespace),
        Ask::AllNodes => "list nodes".to_owned(),
        Ask::Claim { namespace, .. } => within("get persistentvolumeclaims", namespace),
        Ask::Attachments => "list volumeattachments".to_owned(),
        Ask::Quotas(namespace) => within("list resourcequotas", namespace),
        Ask::Namespace(name) => format!("get namespaces/{name}"),
        Ask::Webhooks => "list validatingwebhookconfigurations".to_owned(),
        Ask::Endpoints { namespace, .. } => within("list endpointslices", namespace),
        Ask::NodeManagerRole => "get clusterroles/eks:node-manager".to_owned(),
        Ask::AwsAuth => within("get configmaps/aws-auth", "kube-system"),
        Ask::TryEviction(pod) => within("create pods/eviction", &pod.namespace),
        Ask::Hooks => "autoscaling:DescribeLifecycleHooks".to_owned(),
        Ask::Subnets => "ec2:DescribeSubnets".to_owned(),
        Ask::Update(_) | Ask::UpdateElsewhere(_) => "eks:DescribeUpdate".to_owned(),
        Ask::Updates => "eks:ListUpdates".to_owned(),
        Ask::AccessEntries => "eks:ListAccessEntries".to_owned(),
    }
}

impl SimWorkload {
    /// Whether it is called so, as itself or as the `ReplicaSet` of a Deployment.
    pub(super) fn is(&self, namespace: &str, owner: &Owner) -> bool {
        let itself = match self.spec.kind {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
            WorkloadKind::Job => "Job",
            WorkloadKind::Pod => return false,
        };
        let is_itself = owner.kind == itself && owner.name == self.spec.name;
        let is_its_set = self.spec.kind.owner() == Some(&owner.kind) && owner.name == self.owner_name;
        self.spec.namespace == namespace && (is_itself || is_its_set)
    }
}
