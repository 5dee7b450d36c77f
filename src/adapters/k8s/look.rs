//! What a diagnosis asks: each thing read once, about what stands still only. What cannot be had is an answer, too.

use std::{collections::BTreeSet, fmt::Debug};

use futures::{StreamExt, stream};
use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, batch::v1 as batch, core::v1 as core,
    discovery::v1::EndpointSlice, rbac::v1 as rbac, storage::v1 as storage,
};
use kube::{
    Resource,
    api::{GetParams, PostParams},
    core::Request,
};
use serde::de::DeserializeOwned;

use super::{
    act::eviction,
    announce::REPORTER,
    answer::{Failure, fetch, send},
    cluster::KubeCluster,
    convert,
    follow::Source,
};
use crate::domain::{
    Answer, Ask, Attachment, Claim, ClusterNode, Fact, Known, KubeEvent, Lack, Namespace, NodeManagerRole, NodeName,
    Object, Owner, Pod, PodRef, Quota, Refusal, Webhook, Workload,
};

/// Questions under way at once: a diagnosis asks about what is blocked, which is seldom more than a screen full.
const AT_ONCE: usize = 50;

/// The role and its binding that EKS's own updates act with, and the user that is bound.
const NODE_MANAGER: &str = "eks:node-manager";

/// What is read: where, and which of all.
#[derive(Clone, Debug, Default)]
struct Of<'a> {
    namespace: Option<&'a str>,
    fields: Option<String>,
    labels: Option<String>,
}

impl<'a> Of<'a> {
    fn namespace(namespace: &'a str) -> Self {
        Self { namespace: Some(namespace), ..Self::default() }
    }
}

impl KubeCluster {
    /// Answers in the order of the questions.
    pub(super) async fn answers(&self, asks: &BTreeSet<Ask>) -> Vec<Answer> {
        let answers = stream::iter(asks.iter().cloned()).map(|ask| async move {
            let known = self.answer(&ask).await.map_or_else(Known::Unknown, Known::Is);
            (ask, known)
        });
        answers.buffered(AT_ONCE).collect().await
    }

    async fn answer(&self, ask: &Ask) -> Result<Fact, Lack> {
        Ok(match ask {
            Ask::Events(object) => Fact::Events(self.events(object).await?),
            Ask::Workload { namespace, owner } => Fact::Workload(self.workload(namespace, owner).await?),
            Ask::DaemonPods { namespace, name, node } => Fact::Pods(self.daemon_pods(namespace, name, node).await?),
            Ask::AllNodes => Fact::Nodes(self.all_nodes().await?),
            Ask::Claim { namespace, name } => Fact::Claim(self.claim(namespace, name).await?),
            Ask::Attachments => Fact::Attachments(self.attachments().await?),
            Ask::Quotas(namespace) => Fact::Quotas(self.quotas(namespace).await?),
            Ask::Namespace(name) => Fact::Namespace(self.namespace(name).await?),
            Ask::Webhooks => Fact::Webhooks(self.webhooks().await?),
            Ask::Endpoints { namespace, service } => Fact::Endpoints(self.endpoints(namespace, service).await?),
            Ask::NodeManagerRole => Fact::NodeManagerRole(self.node_manager_role().await?),
            Ask::AwsAuth => Fact::AwsAuth(self.aws_auth().await?),
            Ask::Pod { namespace, name } => {
                let pod = self.read::<core::Pod, core::Pod>(Some(namespace), name).await?;
                Fact::Pod(pod.map(convert::pod).map(Box::new))
            }
            Ask::TryEviction(pod) => Fact::Eviction(self.try_eviction(pod).await?),
            Ask::PodsOn(_) | Ask::PodsOf(_) => return Err(Lack::NotOffered("pods are watched".to_owned())),
            Ask::Hooks
            | Ask::Subnets
            | Ask::Update(_)
            | Ask::Updates
            | Ask::UpdateElsewhere(_)
            | Ask::AccessEntries => {
                return Err(Lack::NotOffered("AWS knows that".to_owned()));
            }
        })
    }

    /// Events about one object; what we announced ourselves is no evidence.
    async fn events(&self, object: &Object) -> Result<Vec<KubeEvent>, Lack> {
        let Some((namespace, fields)) = about(object) else {
            return Err(Lack::NotOffered(format!("Kubernetes keeps no events about {object}")));
        };
        let of = Of { fields: Some(fields), ..Of::namespace(&namespace) };
        let mut events = self.read_all(of, convert::event).await?;
        events.retain(|event| event.reporter != REPORTER);
        events.sort_by_key(|event| event.last);
        Ok(events)
    }

    async fn workload(&self, namespace: &str, owner: &Owner) -> Result<Option<Workload>, Lack> {
        let (place, name) = (Some(namespace), owner.name.as_str());
        let kind = owner.kind.as_str();
        let found = match kind {
            "Deployment" => self.read::<apps::Deployment, _>(place, name).await?,
            "ReplicaSet" => self.read::<apps::ReplicaSet, _>(place, name).await?,
            "StatefulSet" => self.read::<apps::StatefulSet, _>(place, name).await?,
            "DaemonSet" => self.read::<apps::DaemonSet, _>(place, name).await?,
            "Job" => self.read::<batch::Job, _>(place, name).await?,
            _ => return Err(Lack::NotOffered(format!("mngup does not know the kind {kind}"))),
        };
        Ok(found.map(|found: convert::RawWorkload| found.workload(kind)))
    }

    async fn daemon_pods(&self, namespace: &str, name: &str, node: &NodeName) -> Result<Vec<Pod>, Lack> {
        let fields = Some(format!("spec.nodeName={node}"));
        let mut pods = self.read_all(Of { fields, ..Of::namespace(namespace) }, convert::pod).await?;
        let is_its = |owner: &Owner| owner.kind == "DaemonSet" && owner.name == name;
        pods.retain(|pod| pod.owner.as_ref().is_some_and(is_its));
        Ok(pods)
    }

    async fn all_nodes(&self) -> Result<Vec<ClusterNode>, Lack> {
        self.read_all(Of::default(), convert::cluster_node).await
    }

    /// A claim; its volume too once it has one, and while it has none whether there is such a class.
    async fn claim(&self, namespace: &str, name: &str) -> Result<Option<Claim>, Lack> {
        let Some(claim) = self.read::<core::PersistentVolumeClaim, _>(Some(namespace), name).await? else {
            return Ok(None);
        };
        let mut claim = convert::claim(claim);
        match (&claim.volume, &claim.class) {
            (Some(volume), _) => {
                if let Some(volume) = self.read::<core::PersistentVolume, core::PersistentVolume>(None, volume).await? {
                    (claim.zones, claim.hosts) = convert::reach_of_volume(&volume);
                }
            }
            (None, Some(class)) => {
                let found = self.read::<storage::StorageClass, storage::StorageClass>(None, class).await;
                // The claim itself is what was asked for: without the right to read classes it is known as far as it is.
                claim.class_exists = found.ok().map(|found| found.is_some());
            }
            (None, None) => {}
        }
        Ok(Some(claim))
    }

    async fn attachments(&self) -> Result<Vec<Attachment>, Lack> {
        let attachments = self.read_all(Of::default(), convert::attachment).await?;
        Ok(attachments.into_iter().flatten().collect())
    }

    async fn quotas(&self, namespace: &str) -> Result<Vec<Quota>, Lack> {
        self.read_all(Of::namespace(namespace), convert::quota).await
    }

    async fn namespace(&self, name: &str) -> Result<Option<Namespace>, Lack> {
        Ok(self.read::<core::Namespace, _>(None, name).await?.map(convert::namespace))
    }

    async fn webhooks(&self) -> Result<Vec<Webhook>, Lack> {
        let validating = |config: admission::ValidatingWebhookConfiguration| {
            let name = config.metadata.name.unwrap_or_default();
            convert::webhooks(
                &format!("validatingwebhookconfiguration/{name}"),
                config.webhooks.as_deref().unwrap_or_default(),
            )
        };
        let mutating = |config: admission::MutatingWebhookConfiguration| {
            let name = config.metadata.name.unwrap_or_default();
            convert::webhooks(
                &format!("mutatingwebhookconfiguration/{name}"),
                config.webhooks.as_deref().unwrap_or_default(),
            )
        };
        // Which refusal is told does not depend on which came first.
        let (validating, mutating) =
            tokio::join!(self.read_all(Of::default(), validating), self.read_all(Of::default(), mutating));
        Ok(validating?.into_iter().chain(mutating?).flatten().collect())
    }

    /// Ready endpoints of a service; a service without any may have no slice, or not exist.
    async fn endpoints(&self, namespace: &str, service: &str) -> Result<Option<u32>, Lack> {
        let labels = Some(format!("kubernetes.io/service-name={service}"));
        let slices = self.read_all(Of { labels, ..Of::namespace(namespace) }, |slice: EndpointSlice| slice).await?;
        if slices.is_empty() && self.read::<core::Service, core::Service>(Some(namespace), service).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(convert::ready_endpoints(&slices)))
    }

    async fn node_manager_role(&self) -> Result<NodeManagerRole, Lack> {
        let (role, binding) = tokio::join!(
            self.read::<rbac::ClusterRole, rbac::ClusterRole>(None, NODE_MANAGER),
            self.read::<rbac::ClusterRoleBinding, rbac::ClusterRoleBinding>(None, NODE_MANAGER),
        );
        let (role, binding) = (role?, binding?);
        Ok(NodeManagerRole {
            role: role.is_some_and(|role| convert::lets_evict(&role)),
            binding: binding.is_some_and(|binding| convert::gives(&binding, NODE_MANAGER, NODE_MANAGER)),
        })
    }

    async fn aws_auth(&self) -> Result<Option<Vec<String>>, Lack> {
        let map = self.read_named::<core::ConfigMap, core::ConfigMap>(Some("kube-system"), "aws-auth").await?;
        let text = map.map(|map| map.data.and_then(|mut data| data.remove("mapRoles")).unwrap_or_default());
        let roles = text.map(|text| convert::node_roles(&text)).transpose();
        roles.map_err(|why| Lack::Server(format!("configmap/kube-system/aws-auth: mapRoles cannot be read: {why}")))
    }

    /// Tries an eviction without effect; that we may not is an answer like others.
    async fn try_eviction(&self, pod: &PodRef) -> Result<Option<Refusal>, Lack> {
        let what = format!("create pods/eviction in namespace {}", pod.namespace);
        let request = Request::new(core::Pod::url_path(&(), Some(&pod.namespace)));
        // In the address: only there webhooks are told of it, too.
        let params = PostParams { dry_run: true, ..PostParams::default() };
        let body = eviction(pod, None).to_string().into_bytes();
        let request = request.create_subresource("eviction", &pod.name, &params, body);
        let Err(failure) = send(&self.connection.client, request).await else { return Ok(None) };
        let Failure::Answer(answer) = &failure else { return Err(lack(&failure, &what)) };
        // `NewDryRunUnsupportedErr` in apiserver's admission/plugin/webhook/errors.
        if answer.message().contains("does not support dry run") {
            return Err(Lack::NotOffered(answer.message()));
        }
        match answer.refusal() {
            None | Some(Refusal::Failed { .. }) => Err(lack(&failure, &what)),
            Some(refusal) => Ok(Some(refusal)),
        }
    }

    /// One object, read as `T`; none where there is no such.
    async fn read<K, T>(&self, namespace: Option<&str>, name: &str) -> Result<Option<T>, Lack>
    where
        K: Resource<DynamicType = ()>,
        T: DeserializeOwned,
    {
        self.get::<K, T>(namespace, name, &right::<K>("get", None, namespace)).await
    }

    /// The same where the right to it is one to objects of this name alone.
    async fn read_named<K, T>(&self, namespace: Option<&str>, name: &str) -> Result<Option<T>, Lack>
    where
        K: Resource<DynamicType = ()>,
        T: DeserializeOwned,
    {
        self.get::<K, T>(namespace, name, &right::<K>("get", Some(name), namespace)).await
    }

    async fn get<K, T>(&self, namespace: Option<&str>, name: &str, what: &str) -> Result<Option<T>, Lack>
    where
        K: Resource<DynamicType = ()>,
        T: DeserializeOwned,
    {
        let request = Request::new(K::url_path(&(), namespace)).get(name, &GetParams::default());
        match fetch(&self.connection.client, request).await {
            Ok(object) => Ok(Some(object)),
            Err(failure) if failure.code() == Some(404) => Ok(None),
            Err(failure) => Err(lack(&failure, what)),
        }
    }

    /// All objects of a kind; none where the server has no such kind.
    async fn read_all<K, T>(&self, of: Of<'_>, read: impl FnMut(K) -> T + Send) -> Result<Vec<T>, Lack>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send,
        T: Send,
    {
        let all = Source::all(self.connection.client.clone(), self.connection.server().into());
        match (Source { fields: of.fields, labels: of.labels, ..all }).list(of.namespace, read).await {
            Ok((items, _)) => Ok(items),
            Err(failure) if failure.code() == Some(404) => Ok(Vec::new()),
            Err(failure) => Err(lack(&failure, &right::<K>("list", None, of.namespace))),
        }
    }
}

/// Where the events about something are, and by what they are found.
fn about(object: &Object) -> Option<(String, String)> {
    let place = object.events_in()?.to_owned();
    if let Object::Pod(pod) = object {
        // Another pod may have had its name.
        return Some((place, format!("involvedObject.uid={}", pod.uid)));
    }
    // Of a node the kubelet says the name where others say the uid.
    let (kind, name) = object.kind_and_name()?;
    Some((place, format!("involvedObject.kind={kind},involvedObject.name={name}")))
}

/// A right as people ask for it: `list events in namespace shop`, `get configmaps/aws-auth in namespace kube-system`.
fn right<K: Resource<DynamicType = ()>>(verb: &str, name: Option<&str>, namespace: Option<&str>) -> String {
    let (plural, group) = (K::plural(&()), K::group(&()));
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let name = name.map_or_else(String::new, |name| format!("/{name}"));
    let place = namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    format!("{verb} {plural}{group}{name}{place}")
}

fn lack(failure: &Failure, what: &str) -> Lack {
    match failure.code() {
        Some(403) => Lack::Right(what.to_owned()),
        _ => Lack::Server(format!("cannot {what}: {}", failure.line())),
    }
}
