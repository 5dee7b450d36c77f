//! Workloads in YAML. Several are joined by [`all`]; pods start in 200 ms and stop in 100 ms unless told otherwise.

use std::fmt::Write as _;

/// A Deployment in the namespace `default`.
#[derive(Clone, Debug)]
pub struct Deployment {
    name: String,
    replicas: u32,
    annotations: Vec<(String, String)>,
    placement: String,
    rollout: String,
    container: String,
}

/// So many pods that carry the label `app: NAME`.
pub fn deployment(name: &str, replicas: u32) -> Deployment {
    let (placement, rollout, container) = (String::new(), String::new(), String::new());
    Deployment { name: name.to_owned(), replicas, annotations: Vec::new(), placement, rollout, container }
        .start_ms(200)
        .stop_ms(100)
}

impl Deployment {
    /// How long a pod takes from running to Ready.
    pub fn start_ms(self, span: u32) -> Self {
        self.annotated("mngup.test/start-ms", &span.to_string())
    }

    /// How long a pod takes to stop.
    pub fn stop_ms(self, span: u32) -> Self {
        self.annotated("mngup.test/stop-ms", &span.to_string())
    }

    /// An annotation of its pods: `tests/control-plane/stages.yaml` says what they mean.
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        self.annotations.retain(|(known, _)| known != key);
        self.annotations.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Spread over nodes as evenly as can be, though rather crowded than waiting.
    pub fn spread(self) -> Self {
        let name = self.name.clone();
        self.placed(&format!(
            "topologySpreadConstraints: [{{maxSkew: 1, topologyKey: kubernetes.io/hostname, \
             whenUnsatisfiable: ScheduleAnyway, labelSelector: {{matchLabels: {{app: {name}}}}}}}]"
        ))
    }

    /// Never two on one node.
    pub fn apart(self) -> Self {
        let name = self.name.clone();
        self.placed(&format!(
            "affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: \
             [{{topologyKey: kubernetes.io/hostname, labelSelector: {{matchLabels: {{app: {name}}}}}}}]}}}}"
        ))
    }

    /// A line of the pods' spec: `nodeSelector: {a: b}`, `tolerations: [{operator: Exists}]`.
    pub fn placed(mut self, line: &str) -> Self {
        writeln!(self.placement, "      {line}").expect("to a String");
        self
    }

    /// How pods are exchanged: `{type: Recreate}`.
    pub fn strategy(mut self, strategy: &str) -> Self {
        self.rollout = format!("  strategy: {strategy}\n");
        self
    }

    /// What its container asks for: `cpu: 2`.
    pub fn asks(self, requests: &str) -> Self {
        self.contains(&format!("resources: {{requests: {{{requests}}}}}"))
    }

    /// What its container has beside its name and its image: `ports: [{containerPort: 80, hostPort: 80}]`.
    pub fn contains(mut self, field: &str) -> Self {
        self.container = format!("{}, {field}", self.container);
        self
    }

    /// The object.
    pub fn yaml(&self) -> String {
        let Self { name, replicas, annotations, placement, rollout, container } = self;
        let annotations: Vec<_> = annotations.iter().map(|(key, value)| format!("{key}: {value:?}")).collect();
        format!(
            "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: default}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
{rollout}  template:
    metadata: {{labels: {{app: {name}}}, annotations: {{{}}}}}
    spec:
      containers: [{{name: app, image: app{container}}}]
{placement}",
            annotations.join(", ")
        )
    }
}

/// A budget for the pods of a Deployment; the rule is `maxUnavailable: 1` or `minAvailable: 100%`.
pub fn pdb(app: &str, rule: &str) -> String {
    named_pdb(app, app, rule)
}

/// A budget with a name of its own: a second one for the same pods.
pub fn named_pdb(name: &str, app: &str, rule: &str) -> String {
    format!(
        "\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {name}, namespace: default}}
spec: {{{rule}, selector: {{matchLabels: {{app: {app}}}}}}}
"
    )
}

/// A DaemonSet that runs everywhere, also on cordoned nodes.
pub fn daemon_set(name: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: kube-system}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata:
      labels: {{app: {name}}}
      annotations: {{mngup.test/start-ms: \"200\", mngup.test/stop-ms: \"100\"}}
    spec: {{containers: [{{name: app, image: app}}], tolerations: [{{operator: Exists}}]}}
"
    )
}

/// Many objects as one text.
pub fn all(objects: impl IntoIterator<Item = String>) -> String {
    objects.into_iter().collect::<Vec<_>>().join("---\n")
}

/// Objects that are written for the namespace `default`, in one of their own, which is made.
pub fn in_namespace(namespace: &str, objects: impl IntoIterator<Item = String>) -> String {
    let made = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}\n");
    let there = format!("namespace: {namespace}");
    all(std::iter::once(made).chain(objects.into_iter().map(|object| object.replace("namespace: default", &there))))
}

/// A node of nobody's group.
pub const OUTSIDER: &str = "outsider";

/// It, for pods that want to be there.
pub fn outsider() -> String {
    format!(
        "\
apiVersion: v1
kind: Node
metadata: {{name: {OUTSIDER}, labels: {{kubernetes.io/hostname: {OUTSIDER}}}}}
spec: {{taints: [{{key: {OUTSIDER}, effect: NoSchedule}}]}}
"
    )
}

/// Never two on one node, and one of them on the node that no upgrade touches.
pub fn with_outsider(deployment: Deployment) -> Deployment {
    deployment.apart().placed(&format!("tolerations: [{{key: {OUTSIDER}, operator: Exists}}]"))
}
