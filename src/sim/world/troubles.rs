//! What a kubelet says of pods that are in trouble, in their status and by events.

use super::{
    World,
    state::{SimPod, Workload},
    template::GATE,
};
use crate::{
    domain::{Container, ContainerState, Exit, KubeEvent, Object, PodPhase, Trouble, Unscheduled, later},
    sim::spec::TroubleKind,
};

/// How soon a kubelet says what is in a pod's way.
const SAYS_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

impl TroubleKind {
    /// Whether none of its containers ever starts.
    pub(super) fn prevents_start(self) -> bool {
        match self {
            Self::ImagePull | Self::ConfigMissing | Self::InitFails | Self::NoAddress | Self::Sandbox => true,
            Self::NeverReady
            | Self::CrashLoop
            | Self::Gate
            | Self::StuckTerminating
            | Self::SchedulingGated
            | Self::NoScheduler
            | Self::UnboundClaim => false,
        }
    }

    /// What the status of such a pod says.
    pub(super) fn words(self, workload: &str, crashes: u32) -> Option<Box<Trouble>> {
        let image = format!("registry.example.com/{workload}:2");
        let container = |reason: &str, message: Option<String>| Container {
            name: workload.to_owned(),
            image: image.clone(),
            init: false,
            state: ContainerState::Waiting { reason: reason.to_owned(), message },
            ended_before: None,
            restarts: 0,
            ready: false,
        };
        let crashed = |container: Container| Container {
            ended_before: (crashes > 0).then_some(Exit { code: 1, reason: None, message: None, at: None }),
            restarts: i32::try_from(crashes).unwrap_or(i32::MAX),
            ..container
        };
        let of = |containers: Vec<Container>| Trouble { containers, ..Trouble::default() };
        let not_ready = |words: String| Trouble { not_ready: Some(words), ..Trouble::default() };
        let trouble = match self {
            Self::NeverReady => not_ready(PROBE.to_owned()),
            Self::Gate => not_ready(format!(
                "the status of pod readiness gate \"target-health.elbv2.k8s.aws/{workload}\" is not \"True\", but False"
            )),
            Self::CrashLoop => of(vec![crashed(container("CrashLoopBackOff", None))]),
            Self::ImagePull => {
                of(vec![container("ImagePullBackOff", Some(format!("Back-off pulling image \"{image}\": not found")))])
            }
            Self::ConfigMissing => {
                of(vec![container("CreateContainerConfigError", Some(format!("secret \"{workload}\" not found")))])
            }
            Self::InitFails => {
                let init = crashed(container("CrashLoopBackOff", None));
                let init = Container { name: "migrate".to_owned(), init: true, ..init };
                of(vec![init, container("PodInitializing", None)])
            }
            Self::NoAddress | Self::Sandbox => of(vec![container("ContainerCreating", None)]),
            Self::SchedulingGated => Trouble {
                unscheduled: Some(Unscheduled {
                    reason: "SchedulingGated".to_owned(),
                    message: Some("Scheduling is blocked due to non-empty scheduling gates".to_owned()),
                }),
                gates: vec![GATE.to_owned()],
                ..Trouble::default()
            },
            Self::StuckTerminating | Self::NoScheduler | Self::UnboundClaim => return None,
        };
        Some(Box::new(trouble))
    }

    /// The event that tells it, as reason and message.
    fn event(self, pod: &SimPod, workload: &str) -> Option<(&'static str, String)> {
        let image = format!("registry.example.com/{workload}:2");
        let sandbox = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \
                       \"1f\": plugin type=\"aws-cni\" name=\"aws-cni\" failed (add): add cmd: ";
        Some(match self {
            Self::NeverReady => ("Unhealthy", PROBE.to_owned()),
            Self::CrashLoop => {
                let id = &pod.object.id;
                let words = format!(
                    "Back-off restarting failed container {workload} in pod {}_{}({})",
                    id.name, id.namespace, id.uid
                );
                ("BackOff", words)
            }
            Self::ImagePull => {
                let words = format!(
                    "Failed to pull image \"{image}\": rpc error: code = NotFound desc = failed to pull and unpack image \
                     \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
                );
                ("Failed", words)
            }
            Self::ConfigMissing => ("Failed", format!("Error: secret \"{workload}\" not found")),
            Self::NoAddress => {
                ("FailedCreatePodSandBox", format!("{sandbox}failed to assign an IP address to container"))
            }
            Self::Sandbox => {
                let words = "Error received from AddNetwork gRPC call: rpc error: code = Unavailable desc = connection \
                             error: desc = \"transport: Error while dialing: dial tcp 127.0.0.1:50051: connect: \
                             connection refused\"";
                ("FailedCreatePodSandBox", format!("{sandbox}{words}"))
            }
            Self::InitFails
            | Self::Gate
            | Self::StuckTerminating
            | Self::SchedulingGated
            | Self::NoScheduler
            | Self::UnboundClaim => return None,
        })
    }
}

/// What a readiness probe says that asks a program which is not ready.
const PROBE: &str = "Readiness probe failed: HTTP probe failed with statuscode: 503";

impl World {
    /// Events about this object, the youngest last.
    pub(super) fn events(&self, object: &Object) -> Vec<KubeEvent> {
        self.placing_events(object).into_iter().chain(self.running_events(object)).collect()
    }

    /// Those of kubelets and of controllers that make pods.
    fn running_events(&self, object: &Object) -> Vec<KubeEvent> {
        if let Object::Pod(pod) = object {
            let pod = self.pod_uids.get(&pod.uid).and_then(|key| self.pods.get(key));
            return pod.and_then(|pod| self.kubelet_event(pod)).into_iter().collect();
        }
        let Object::Workload { namespace, owner } = object else { return Vec::new() };
        let workload = self.workloads.iter().find(|workload| workload.is(namespace, owner));
        workload.and_then(|workload| self.failed_create(workload)).into_iter().collect()
    }

    /// What a controller says that may not make a pod.
    fn failed_create(&self, workload: &Workload) -> Option<KubeEvent> {
        let (since, why) = workload.refused.as_ref()?;
        Some(KubeEvent {
            reason: "FailedCreate".to_owned(),
            message: why.clone(),
            warning: true,
            count: 3,
            first: Some(*since),
            last: Some(self.now),
            reporter: "replicaset-controller".to_owned(),
            about: None,
        })
    }

    /// What the kubelet has said of it for as long as it is in trouble.
    fn kubelet_event(&self, pod: &SimPod) -> Option<KubeEvent> {
        let runs = pod.object.phase == PodPhase::Running;
        let trouble = pod.trouble.filter(|trouble| pod.node.is_some() && (runs || trouble.prevents_start()))?;
        let (reason, message) = trouble.event(pod, &self.workloads[pod.workload].spec.name)?;
        let first = later(pod.object.created_at, SAYS_AFTER);
        (first <= self.now).then(|| KubeEvent {
            reason: reason.to_owned(),
            message,
            warning: true,
            count: 3,
            first: Some(first),
            last: Some(self.now),
            reporter: "kubelet".to_owned(),
            about: Some(pod.object.id.uid.clone()),
        })
    }
}
