//! Everything that an upgrade needs, real or played: a control plane, AWS, Nodes, workloads, and the program itself.
//!
//! ```ignore
//! let workloads = [deployment("cart", 6).yaml(), pdb("cart", "maxUnavailable: 1")].join("---\n");
//! let Some(bed) = Bed::start(BedOptions { workloads, ..BedOptions::default() }) else { return };
//! let sampler = bed.sample();
//! let run = bed.upgrade(&["--post-drain-delay", "1s"]);
//! assert_eq!(run.code, Some(0), "{run}");
//! assert!(sampler.finish().broken_budgets.is_empty());
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::audit::AuditEntry;
use super::aws::{AwsServer, Key, World};
use super::run::{Ended, Running};
use super::sampler::Sampler;
use super::slots::Slot;
use super::{ControlPlane, Options, User, checks, eventually};

/// Who mngup is to the API server; its group has the same name.
pub const USER: &str = "mngup";

/// Another who may run mngup: a name of their own to the API server, a key of their own to AWS.
pub const COLLEAGUE: &str = "colleague";

/// Somebody with kubectl and the AWS CLI who may do everything; apart from `admin`, so that what they ask for can be told
/// from the rest.
pub const PERSON: &str = "person";

/// Somebody with the rights that mngup has.
pub const READER: &str = "reader";

/// Time for pods to be placed and Ready on a busy machine.
const SETTLE: Duration = Duration::from_mins(2);

/// Time for a whole run.
const RUN: Duration = Duration::from_mins(5);

/// How a bed is made.
#[derive(Clone, Debug, Default)]
pub struct BedOptions {
    /// What AWS looks like.
    pub world: World,
    /// Objects to apply before the test begins, in YAML; their pods are waited for. See `workloads`.
    pub workloads: String,
}

/// A cluster with one group of Nodes, where mngup has the rights of `docs/rbac.yaml` and no others.
pub struct Bed {
    /// Kubernetes.
    pub plane: ControlPlane,
    /// AWS.
    pub aws: AwsServer,
    target: Vec<String>,
    label: Option<String>,
    // The last: the next test begins when all else has ended.
    _slot: Slot,
}

impl Bed {
    /// Starts all of it; `None` where the control plane was not built. A few beds may be up at a time: it waits for one.
    ///
    /// One test may hold one bed only.
    pub fn start(options: BedOptions) -> Option<Self> {
        let binaries = ControlPlane::find_binaries()?;
        let slot = Slot::wait();
        let colleague = Key { groups: vec![USER.to_owned()], ..Key::of(COLLEAGUE) };
        let keys = options.world.keys.iter().cloned().chain([Key::of(PERSON), colleague]).collect();
        let world = World { keys, ..options.world };
        let (flag, group) = match &world.nodegroup {
            Some(nodegroup) => ("--nodegroup", nodegroup.clone()),
            None => ("--asg", world.asg.clone()),
        };
        let target = ["--cluster", &world.cluster, flag, &group].map(str::to_owned).into();
        let state_object = match &world.nodegroup {
            Some(nodegroup) => format!("mngup-{nodegroup}"),
            None => format!("mngup-asg-{}", world.asg),
        };
        let label = world.nodegroup.as_ref().map(|name| format!("eks.amazonaws.com/nodegroup={name}"));
        let aws = AwsServer::start(world);
        let person = User { name: PERSON.to_owned(), groups: vec!["system:masters".to_owned()] };
        let reader = User { name: READER.to_owned(), groups: vec![USER.to_owned()] };
        let plane_options = Options { token_webhook: Some(aws.webhook_url()), users: vec![person, reader] };
        let plane = ControlPlane::start(binaries, &plane_options);
        aws.serve_cluster(plane.url(), &plane.ca_pem());
        plane.apply(&rights(&state_object));
        aws.bridge(&plane.admin_kubeconfig());
        let bed = Self { plane, aws, target, label, _slot: slot };
        if !options.workloads.is_empty() {
            bed.plane.apply(&options.workloads);
            bed.wait_until_settled();
        }
        Some(bed)
    }

    /// Runs `mngup ARGS` to its end, in an empty home folder and without a terminal.
    pub fn mngup(&self, args: &[&str]) -> Ended {
        self.spawn(args).wait(RUN)
    }

    /// Runs `mngup COMMAND` for the group of this bed, with `--yes` where the command knows it.
    pub fn command(&self, command: &str, args: &[&str]) -> Ended {
        self.spawn_command(command, args).wait(RUN)
    }

    /// Runs `mngup upgrade --yes` for the group of this bed to its end.
    pub fn upgrade(&self, args: &[&str]) -> Ended {
        self.command("upgrade", args)
    }

    /// Starts `mngup ARGS`, in an empty home folder and without a terminal.
    pub fn spawn(&self, args: &[&str]) -> Running {
        self.spawn_as("tester", args)
    }

    /// The same under another user's name.
    pub fn spawn_as(&self, user: &str, args: &[&str]) -> Running {
        let mut env = self.aws.env();
        env.push(("USER".to_owned(), user.to_owned()));
        Running::start(args, &env)
    }

    /// Starts `mngup COMMAND` as [`COLLEAGUE`], from bob's account, for the group of this bed.
    pub fn spawn_colleague(&self, command: &str, args: &[&str]) -> Running {
        let mut env = self.aws.env_of(self.aws.keys() - 1);
        env.push(("USER".to_owned(), "bob".to_owned()));
        Running::start(&self.arguments(command, args), &env)
    }

    /// The environment in which [`PERSON`]'s AWS CLI takes the AWS of this bed for the real one.
    pub fn person_env(&self) -> Vec<(String, String)> {
        self.aws.env_of(self.aws.keys() - 2)
    }

    /// Starts `mngup COMMAND` for the group of this bed, with `--yes` where the command knows it.
    pub fn spawn_command(&self, command: &str, args: &[&str]) -> Running {
        self.spawn(&self.arguments(command, args))
    }

    /// Starts `mngup upgrade --yes` for the group of this bed.
    pub fn spawn_upgrade(&self, args: &[&str]) -> Running {
        self.spawn_command("upgrade", args)
    }

    /// The arguments of a command for the group of this bed.
    pub fn arguments<'a>(&'a self, command: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        let yes = ["upgrade", "abort"].contains(&command).then_some("--yes");
        [command]
            .into_iter()
            .chain(self.target.iter().map(String::as_str))
            .chain(yes)
            .chain(args.iter().copied())
            .collect()
    }

    /// Watches Nodes and budgets from now until it is finished.
    pub fn sample(&self) -> Sampler {
        Sampler::start(&self.plane.admin_kubeconfig(), self.label.clone())
    }

    /// What mngup asked the API server for.
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.audit_of(USER)
    }

    /// What one user asked the API server for.
    pub fn audit_of(&self, user: &str) -> Vec<AuditEntry> {
        let mut entries = self.plane.audit();
        entries.retain(|entry| entry.user == user);
        entries
    }

    /// mngup's evictions that the API server accepted.
    pub fn evictions(&self) -> Vec<AuditEntry> {
        let mut entries = self.audit();
        entries.retain(|entry| entry.subresource == "eviction" && entry.code == 201);
        entries
    }

    /// One object as JSON: `node/x`, `pdb/cart`.
    pub fn get(&self, object: &str) -> Value {
        serde_json::from_str(&self.plane.kubectl(&["get", object, "-o", "json"])).expect("kubectl prints JSON")
    }

    /// What people wrote into an object, `pdb/cart` of a namespace, beside its labels; null where there is none.
    pub fn essence(&self, namespace: &str, object: &str) -> Value {
        let found = self.plane.kubectl_try(&["-n", namespace, "get", object, "-o", "json"]);
        let Ok(found) = found else { return Value::Null };
        let mut found: Map<String, Value> = serde_json::from_str(&found).expect("kubectl prints JSON");
        let labels = found.remove("metadata").map(|mut metadata| metadata["labels"].take());
        found.remove("status");
        // Said or not, it is the same: a way back may say what was the default.
        if let Some(spec) = found.get_mut("spec").and_then(Value::as_object_mut) {
            spec.retain(|field, value| field != "unhealthyPodEvictionPolicy" || value != "IfHealthyBudget");
        }
        found.insert("labels".to_owned(), labels.unwrap_or_default());
        found.into()
    }

    /// All objects of some kinds in all namespaces: `nodes`, `pods`, `deployments,daemonsets`.
    pub fn list(&self, kinds: &str) -> Vec<Value> {
        let mut list: Value = serde_json::from_str(&self.plane.kubectl(&["get", kinds, "-A", "-o", "json"]))
            .expect("kubectl prints JSON");
        serde_json::from_value(list["items"].take()).expect("a list")
    }

    /// The Nodes of the group.
    pub fn nodes(&self) -> Vec<Value> {
        let (mut nodes, ours) = (self.list("nodes"), self.aws.nodes());
        nodes.retain(|node| node["metadata"]["name"].as_str().is_some_and(|name| ours.contains(name)));
        nodes
    }

    /// Lets two minutes pass for budgets whose eviction broke off in the middle, because who asked died, or the server.
    ///
    /// Such a pod stays, but the API server has put it into `status.disruptedPods`, and the disruption controller counts
    /// it as gone for two minutes: nobody may evict a pod of that budget meanwhile, and a test need not wait for it.
    pub fn forget_broken_evictions(&self) {
        let staying: BTreeSet<_> = self
            .list("pods")
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        for budget in self.list("pdb") {
            let disrupted = budget["status"]["disruptedPods"].as_object().cloned().unwrap_or_default();
            let broken = disrupted.iter().filter(|(pod, since)| {
                let since = since.as_str().and_then(|since| since.parse::<Timestamp>().ok());
                let age = since.map(|since| Timestamp::now().duration_since(since).as_secs());
                staying.contains(*pod) && age.is_some_and(|age| age >= 3)
            });
            let gone: Map<_, _> = broken.map(|(pod, _)| (pod.clone(), Value::Null)).collect();
            if !gone.is_empty() {
                let name = budget["metadata"]["name"].as_str().expect("a name");
                println!("pdb/{name}: an eviction broke off in the middle");
                let patch = json!({ "status": { "disruptedPods": gone } }).to_string();
                self.plane.kubectl(&["patch", "pdb", name, "--subresource=status", "--type=merge", "-p", &patch]);
            }
        }
    }

    /// Waits until whoever comes need not take the Lease's holder for somebody who is at work: a dead one's has run out.
    pub fn wait_until_lease_ran_out(&self) {
        eventually(SETTLE, "the Lease runs out by the clock", || {
            let leases = self.list("leases");
            let ours = leases.iter().find(|lease| checks::name(lease).starts_with("mngup"));
            let held = ours.map_or(&Value::Null, |lease| &lease["spec"]);
            let renewed = held["renewTime"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            let silent = renewed.map(|renewed| Timestamp::now().duration_since(renewed).as_secs());
            silent.is_none_or(|silent| silent > held["leaseDurationSeconds"].as_i64().unwrap_or_default()).then_some(())
        });
    }

    /// Waits until a namespace has so many pods that are not leaving, so many of them not Ready; returns them.
    pub fn wait_for_pods(&self, namespace: &str, count: usize, not_ready: usize) -> Vec<Value> {
        eventually(SETTLE, &format!("{not_ready} of {count} pods of namespace {namespace} are not Ready"), || {
            let mut pods = self.list("pods");
            pods.retain(|pod| {
                pod["metadata"]["namespace"] == namespace && pod["metadata"]["deletionTimestamp"].is_null()
            });
            let broken = pods.iter().filter(|pod| !checks::is_ready(pod)).count();
            (pods.len() == count && broken == not_ready).then_some(pods)
        })
    }

    /// Waits until every workload runs as it should and every budget knows it.
    pub fn wait_until_settled(&self) {
        eventually(SETTLE, "all workloads are Ready and all budgets know it", || {
            self.list("deployments,daemonsets,pdb").iter().all(is_settled).then_some(())
        });
    }
}

fn is_settled(object: &Value) -> bool {
    let status = &object["status"];
    if status["observedGeneration"] != object["metadata"]["generation"] {
        return false;
    }
    match object["kind"].as_str() {
        Some("Deployment") => status["readyReplicas"].as_u64().unwrap_or_default() == object["spec"]["replicas"],
        Some("DaemonSet") => status["numberReady"] == status["desiredNumberScheduled"],
        // A budget that no pod of is Ready is settled too: tests about those say so by their workloads.
        Some("PodDisruptionBudget") => status["expectedPods"].is_u64(),
        kind => panic!("no notion of a settled {kind:?}"),
    }
}

/// What we ship, with the names of a group of people and of a node group put in as it says.
fn rights(state_object: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rbac.yaml");
    let text = std::fs::read_to_string(path).expect("docs/rbac.yaml");
    text.replace("mngup-operators", USER).replace("mngup-NODEGROUP", state_object)
}
