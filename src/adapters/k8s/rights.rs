//! The rights mngup needs in the cluster, and which of them are missing.

use std::fmt;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{ResourceRule, SelfSubjectAccessReview, SelfSubjectRulesReview};
use kube::{Resource, api::PostParams, core::Request};
use serde_json::json;

use super::{answer::fetch, cluster::KubeCluster};
use crate::ports::PortError;

/// Questions asked at once.
const AT_ONCE: usize = 8;

/// A namespace that does not exist: the rules that hold there are those that hold in the whole cluster.
const NOWHERE: &str = "mngup-asks-what-holds-in-every-namespace";

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// Plural.
    pub resource: &'static str,
    /// `eviction`
    pub subresource: Option<&'static str>,
    /// Where.
    pub place: Place,
    /// Of which names.
    pub objects: Objects,
    /// When.
    pub need: Need,
}

/// Where a right must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the whole cluster.
    Cluster,
    /// In the namespace of the run's `ConfigMap` and Lease.
    StateNamespace,
}

/// Objects of which names a right must cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Objects {
    /// Of every name.
    All,
    /// Only the run's own `ConfigMap` and Lease: a rule may be narrowed to their name with `resourceNames`.
    Own,
    /// Only the one of this name.
    Named(&'static str),
}

/// When a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// By every run.
    Always,
    /// Only where pods are deleted: `--force` and `--disable-eviction`.
    ToDeletePods,
    /// It goes without, and says so.
    Optional,
    /// By a diagnosis, which says what it cannot tell without; in a role of its own.
    ToDiagnose,
}

const fn cluster(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    let (place, objects) = (Place::Cluster, Objects::All);
    Right { verb, group, resource, subresource: None, place, objects, need: Need::Always }
}

const fn state(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    let (place, objects) = (Place::StateNamespace, Objects::Own);
    Right { verb, group, resource, subresource: None, place, objects, need: Need::Always }
}

const fn facts(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    Right { need: Need::ToDiagnose, ..cluster(verb, group, resource) }
}

/// Every right of `docs/rbac.yaml`, which a test compares with this.
pub const RIGHTS: &[Right] = &[
    cluster("get", "", "nodes"),
    cluster("list", "", "nodes"),
    cluster("watch", "", "nodes"),
    cluster("patch", "", "nodes"),
    cluster("list", "", "pods"),
    cluster("watch", "", "pods"),
    Right { need: Need::ToDeletePods, ..cluster("delete", "", "pods") },
    Right { subresource: Some("eviction"), ..cluster("create", "", "pods") },
    cluster("list", "policy", "poddisruptionbudgets"),
    cluster("watch", "policy", "poddisruptionbudgets"),
    cluster("list", "apps", "daemonsets"),
    cluster("watch", "apps", "daemonsets"),
    Right { need: Need::Optional, ..cluster("list", "", "persistentvolumes") },
    state("get", "", "configmaps"),
    // A ConfigMap is applied, and an apply that creates is authorized with the object's name (`PatchResource` in
    // apiserver's handlers/patch.go). So the rule can name it, and nobody can make another, an `aws-auth` for instance.
    state("create", "", "configmaps"),
    state("patch", "", "configmaps"),
    state("delete", "", "configmaps"),
    state("get", "coordination.k8s.io", "leases"),
    // A Lease is posted, so that of two runs one fails; a POST is authorized before its name is known.
    Right { objects: Objects::All, ..state("create", "coordination.k8s.io", "leases") },
    state("update", "coordination.k8s.io", "leases"),
    state("delete", "coordination.k8s.io", "leases"),
    facts("list", "", "events"),
    facts("create", "", "events"),
    facts("patch", "", "events"),
    facts("get", "", "pods"),
    facts("get", "apps", "deployments"),
    facts("get", "apps", "replicasets"),
    facts("get", "apps", "statefulsets"),
    facts("get", "apps", "daemonsets"),
    facts("get", "batch", "jobs"),
    facts("get", "", "persistentvolumeclaims"),
    facts("get", "", "persistentvolumes"),
    facts("get", "storage.k8s.io", "storageclasses"),
    facts("list", "storage.k8s.io", "volumeattachments"),
    facts("list", "", "resourcequotas"),
    facts("get", "", "namespaces"),
    facts("list", "admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    facts("list", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    facts("list", "discovery.k8s.io", "endpointslices"),
    facts("get", "", "services"),
    Right { objects: NODE_MANAGER, ..facts("get", "rbac.authorization.k8s.io", "clusterroles") },
    Right { objects: NODE_MANAGER, ..facts("get", "rbac.authorization.k8s.io", "clusterrolebindings") },
    Right { objects: Objects::Named("aws-auth"), ..facts("get", "", "configmaps") },
];

/// What EKS's own updates act with.
const NODE_MANAGER: Objects = Objects::Named("eks:node-manager");

impl Right {
    /// What a run must have; with the right to delete pods where it means to.
    #[must_use]
    pub fn needed(deletes_pods: bool) -> Vec<Self> {
        let needed = |right: &&Self| match right.need {
            Need::Always => true,
            Need::ToDeletePods => deletes_pods,
            Need::Optional | Need::ToDiagnose => false,
        };
        RIGHTS.iter().filter(needed).copied().collect()
    }

    /// What it is about: `pods/eviction`, `leases.coordination.k8s.io`.
    #[must_use]
    pub fn object(&self) -> String {
        let subresource = self.subresource.map_or(String::new(), |name| format!("/{name}"));
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        format!("{}{subresource}{group}", self.resource)
    }

    /// Whether one of these rules grants it; `own` is the name of the run's objects.
    fn is_in(&self, rules: &[ResourceRule], own: &str) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|one| one == "*" || one == wanted);
        let resource = match self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.resource),
            None => self.resource.to_owned(),
        };
        let covers = |names: &[String]| match self.objects {
            Objects::All => names.is_empty(),
            // To RBAC a `*` among names is a name.
            Objects::Own => names.is_empty() || names.iter().any(|name| name == own),
            Objects::Named(one) => names.is_empty() || names.iter().any(|name| name == one),
        };
        rules.iter().any(|rule| {
            covers(rule.resource_names.as_deref().unwrap_or_default())
                && has(&rule.verbs, self.verb)
                && has(rule.api_groups.as_deref().unwrap_or_default(), self.group)
                && has(rule.resources.as_deref().unwrap_or_default(), &resource)
        })
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.object())
    }
}

impl KubeCluster {
    /// Asks the API server which of these rights we do not have; everybody may ask that.
    ///
    /// Two requests where RBAC says yes to all of it; what its rules do not show (another authorizer may know more) is
    /// asked for one by one. As the first thing that is sent it also finds out whether the server answers and takes our credentials.
    ///
    /// # Errors
    /// When the server does not answer, or does not know us.
    pub async fn missing_rights(&self, rights: &[Right]) -> Result<Vec<Right>, PortError> {
        let (everywhere, here) = tokio::try_join!(self.rules(NOWHERE), self.rules(&self.scope.state_namespace))?;
        let own = self.scope.object_name();
        let shown = |right: &Right| match right.place {
            Place::Cluster => right.is_in(&everywhere, &own),
            Place::StateNamespace => right.is_in(&here, &own),
        };
        let asked = stream::iter(
            rights
                .iter()
                .copied()
                .filter(|right| !shown(right))
                .map(|right| async move { Ok::<_, PortError>((right, self.is_allowed(&right).await?)) }),
        );
        let answers: Vec<_> = asked.buffered(AT_ONCE).try_collect().await?;
        Ok(answers.into_iter().filter(|(_, allowed)| !allowed).map(|(right, _)| right).collect())
    }

    /// Our rules in a namespace; none where the server does not tell them.
    async fn rules(&self, namespace: &str) -> Result<Vec<ResourceRule>, PortError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": { "namespace": namespace },
        });
        let request = Request::new(SelfSubjectRulesReview::url_path(&(), None));
        let request = request.create(&PostParams::default(), review.to_string().into_bytes());
        match fetch::<SelfSubjectRulesReview>(&self.connection.client, request).await {
            Ok(answer) => Ok(answer.status.map(|status| status.resource_rules).unwrap_or_default()),
            Err(failure) if failure.code().is_some_and(|code| code != 401) => Ok(Vec::new()),
            Err(failure) => Err(failure.port(self.connection.server(), "ask for our rights")),
        }
    }

    async fn is_allowed(&self, right: &Right) -> Result<bool, PortError> {
        let mut attributes = json!({ "verb": right.verb, "group": right.group, "resource": right.resource });
        if let Some(subresource) = right.subresource {
            attributes["subresource"] = subresource.into();
        }
        if right.place == Place::StateNamespace {
            attributes["namespace"] = self.scope.state_namespace.as_str().into();
        }
        match right.objects {
            Objects::All => {}
            Objects::Own => attributes["name"] = self.scope.object_name().into(),
            Objects::Named(one) => attributes["name"] = one.into(),
        }
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        let request = Request::new(SelfSubjectAccessReview::url_path(&(), None));
        let request = request.create(&PostParams::default(), review.to_string().into_bytes());
        let what = || format!("ask for the right to {right}");
        let answer: SelfSubjectAccessReview = fetch(&self.connection.client, request)
            .await
            .map_err(|failure| failure.port(self.connection.server(), &what()))?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
