//! The control plane itself: what the other live tests take for granted.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};

use crate::support::{ControlPlane, Options, User, eventually, processes_that_mention};

const SOON: Duration = Duration::from_mins(1);

/// A Node as the cloud's bootstrap makes it, a Deployment of three with its budget, and pods that each go wrong in a way.
const WORLD: &str = r#"
apiVersion: v1
kind: Node
metadata:
  name: ip-10-0-1-11
  labels: {kubernetes.io/hostname: ip-10-0-1-11, topology.kubernetes.io/zone: eu-west-1a}
spec:
  providerID: aws:///eu-west-1a/i-0abc0000000000001
  taints:
  - {key: node.kubernetes.io/not-ready, effect: NoSchedule}
  - {key: node.kubernetes.io/fresh, value: a, effect: PreferNoSchedule}
status:
  capacity: {cpu: "8", memory: 32Gi, pods: "29", nvidia.com/gpu: "1"}
  allocatable: {cpu: 7910m, memory: 30Gi, pods: "29", nvidia.com/gpu: "1"}
  nodeInfo: {kubeletVersion: v1.36.2-eks-0abcdef, architecture: amd64, bootID: "", containerRuntimeVersion: "", kernelVersion: "", kubeProxyVersion: "", machineID: "", operatingSystem: linux, osImage: "", systemUUID: ""}
---
apiVersion: v1
kind: Node
metadata:
  name: ip-10-0-1-12
  labels: {kubernetes.io/hostname: ip-10-0-1-12}
  annotations: {mngup.test/never-ready: "true"}
spec:
  taints:
  - {key: node.kubernetes.io/not-ready, effect: NoSchedule}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: cart}}
  template:
    metadata:
      labels: {app: cart}
      annotations: {mngup.test/start-ms: "500", mngup.test/stop-ms: "200"}
    spec:
      containers: [{name: app, image: cart}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: cart, namespace: default}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app: cart}}
---
apiVersion: v1
kind: Pod
metadata: {name: stuck, namespace: default, annotations: {mngup.test/start-ms: "0", mngup.test/stuck-terminating: "true"}}
spec: {containers: [{name: app, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: unready, namespace: default, annotations: {mngup.test/start-ms: "0", mngup.test/never-ready: "true"}}
spec: {containers: [{name: app, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: crashing, namespace: default, annotations: {mngup.test/crash-loop: "true"}}
spec: {containers: [{name: app, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: pulling, namespace: default, annotations: {mngup.test/image-pull: "true"}}
spec: {containers: [{name: app, image: x}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: report, namespace: default}
spec:
  template:
    metadata: {annotations: {mngup.test/start-ms: "0", mngup.test/complete: "true"}}
    spec: {restartPolicy: Never, containers: [{name: app, image: x}]}
"#;

#[test]
fn control_plane_runs_pods() {
    let options = Options { users: vec![User { name: "guest".into(), groups: vec![] }], ..Options::default() };
    let Some(mut plane) = ControlPlane::start_or_skip(&options) else { return };
    plane.apply(WORLD);

    // Nodes become Ready and keep what their maker said of them.
    let node = eventually(SOON, "the node is Ready and has lost its taint", || {
        let node = get(&plane, "node/ip-10-0-1-11");
        (condition(&node, "Ready") == "True" && node["spec"]["taints"].as_array()?.len() == 1).then_some(node)
    });
    assert_eq!(node["spec"]["taints"][0]["key"], "node.kubernetes.io/fresh");
    assert_eq!(node["spec"]["providerID"], "aws:///eu-west-1a/i-0abc0000000000001");
    assert_eq!(node["status"]["allocatable"]["cpu"], "7910m");
    assert_eq!(node["status"]["allocatable"]["nvidia.com/gpu"], "1");
    assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.36.2-eks-0abcdef");
    eventually(SOON, "the other node is not", || {
        (condition(&get(&plane, "node/ip-10-0-1-12"), "Ready") == "False").then_some(())
    });

    // Pods start, or fail to, as their annotations say.
    eventually(SOON, "three carts are Ready", || {
        (get(&plane, "deployment/cart")["status"]["readyReplicas"] == 3).then_some(())
    });
    eventually(SOON, "the job is done", || (get(&plane, "job/report")["status"]["succeeded"] == 1).then_some(()));
    let crashing = eventually(SOON, "a crash loop", || {
        let pod = get(&plane, "pod/crashing")["status"]["containerStatuses"][0].take();
        (pod["state"]["waiting"]["reason"] == "CrashLoopBackOff").then_some(pod)
    });
    assert_eq!(crashing["lastState"]["terminated"]["reason"], "OOMKilled");
    assert_eq!(crashing["lastState"]["terminated"]["exitCode"], 137);
    eventually(SOON, "a failing pull", || {
        let pod = get(&plane, "pod/pulling");
        (pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
            && pod["status"]["phase"] == "Pending")
            .then_some(())
    });
    let unready = get(&plane, "pod/unready");
    assert_eq!(
        (unready["status"]["phase"].as_str(), condition(&unready, "Ready").as_str()),
        (Some("Running"), "False")
    );

    // Taking the annotation off brings pod and node back; putting it on a pod that is Ready takes it out.
    plane.kubectl(&["annotate", "pod/unready", "mngup.test/never-ready-"]);
    eventually(SOON, "the pod came back", || (condition(&get(&plane, "pod/unready"), "Ready") == "True").then_some(()));
    plane.kubectl(&["annotate", "pod/unready", "mngup.test/never-ready=true"]);
    eventually(SOON, "the pod went out", || (condition(&get(&plane, "pod/unready"), "Ready") == "False").then_some(()));
    plane.kubectl(&["annotate", "node/ip-10-0-1-12", "mngup.test/never-ready-"]);
    eventually(SOON, "the node came back", || {
        (condition(&get(&plane, "node/ip-10-0-1-12"), "Ready") == "True").then_some(())
    });

    // A drain moves the carts one at a time, as their budget says, and what never stops stays.
    plane.kubectl(&["drain", "ip-10-0-1-11", "--pod-selector=app=cart", "--timeout=60s"]);
    eventually(SOON, "all carts run on the other node", || {
        let pods = get_all(&plane, "pods", "app=cart");
        let moved =
            pods.iter().filter(|pod| pod["spec"]["nodeName"] == "ip-10-0-1-12" && condition(pod, "Ready") == "True");
        (moved.count() == 3 && pods.len() == 3).then_some(())
    });
    plane.kubectl(&["delete", "pod/stuck", "--wait=false"]);
    let cordoned = get(&plane, "node/ip-10-0-1-11");
    assert_eq!(cordoned["spec"]["unschedulable"], true);
    assert_eq!(condition(&cordoned, "Ready"), "True");

    // The audit log has each eviction, granted and refused, under the user that asked for it.
    let evictions = eventually(SOON, "three evictions were granted", || {
        let mut entries = plane.audit();
        entries.retain(|entry| entry.subresource == "eviction");
        (entries.iter().filter(|entry| entry.code == 201).count() == 3).then_some(entries)
    });
    for entry in &evictions {
        assert_eq!((entry.user.as_str(), entry.verb.as_str(), entry.resource.as_str()), ("admin", "create", "pods"));
        assert_eq!(entry.namespace, "default");
        assert!(
            entry.name.starts_with("cart-") && entry.uri.ends_with(&format!("/{}/eviction", entry.name)),
            "{entry:?}"
        );
        assert!(entry.user_agent.starts_with("kubectl/v1."), "{entry:?}");
        assert!(entry.code == 201 || entry.code == 429, "{entry:?}");
        assert!(entry.stage == "ResponseComplete" && entry.received.starts_with("20"), "{entry:?}");
    }

    // RBAC is on: a user without a binding may not look.
    let kubeconfig = plane.kubeconfig("guest").display().to_string();
    let refused = plane.kubectl_try(&["--kubeconfig", &kubeconfig, "get", "pods"]).unwrap_err();
    assert!(refused.contains(r#"User "guest" cannot list resource "pods""#), "{refused}");

    // After a restart of the API server its data is there, and controllers, scheduler and kubelets go on.
    let url = plane.url().to_owned();
    plane.restart_apiserver();
    assert_eq!(plane.url(), url);
    assert!(plane.ca_pem().matches("BEGIN CERTIFICATE").count() == 2, "leaf and CA");
    plane.kubectl(&["scale", "deployment/cart", "--replicas=4"]);
    eventually(SOON, "a fourth cart is Ready", || {
        (get(&plane, "deployment/cart")["status"]["readyReplicas"] == 4).then_some(())
    });
    assert!(!get(&plane, "pod/stuck")["metadata"]["deletionTimestamp"].is_null(), "a stuck pod stays");

    let folder = plane.folder().to_owned();
    let mention = folder.to_str().expect("UTF-8");
    all_five_run(mention);
    plane.stop();
    assert_eq!(processes_that_mention(mention), Vec::<String>::new());
    assert!(!folder.exists());
}

/// Unknown tokens go to the webhook, and whom it names is whom RBAC and the audit log see.
#[tokio::test(flavor = "multi_thread")]
async fn control_plane_asks_the_webhook_about_tokens() {
    if ControlPlane::find_binaries().is_none() {
        return;
    }
    let review = async |body: String| {
        let review: Value = serde_json::from_str(&body).unwrap();
        let known = review["spec"]["token"] == "k8s-aws-v1.good";
        let answer = json!({
            "apiVersion": review["apiVersion"],
            "kind": review["kind"],
            "status": {"authenticated": known, "user": {"username": "role/upgrader", "groups": ["upgraders"]}},
        });
        ([("content-type", "application/json")], answer.to_string())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_webhook = Some(format!("http://{}/tokens", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/tokens", post(review))).await });

    let options = Options { token_webhook, ..Options::default() };
    let Some(plane) = ControlPlane::start_or_skip(&options) else { return };
    let ca = plane.folder().join("ca.pem");
    std::fs::write(&ca, plane.ca_pem()).unwrap();
    let as_token = |token: &str| {
        let ca = format!("--certificate-authority={}", ca.display());
        let token = format!("--token={token}");
        plane.kubectl_try(&["--kubeconfig=/dev/null", "--server", plane.url(), &ca, &token, "get", "pods"])
    };
    let refused = as_token("k8s-aws-v1.bad").unwrap_err();
    assert!(refused.contains("Unauthorized") || refused.contains("must be logged in"), "{refused}");
    let refused = as_token("k8s-aws-v1.good").unwrap_err();
    assert!(refused.contains(r#"User "role/upgrader" cannot list resource "pods""#), "{refused}");
    plane.kubectl(&["create", "clusterrolebinding", "upgraders", "--clusterrole=view", "--group=upgraders"]);
    eventually(SOON, "the binding counts", || as_token("k8s-aws-v1.good").ok());
    eventually(SOON, "the audit log has the user's list", || {
        let entries = plane.audit();
        entries.into_iter().find(|entry| {
            entry.user == "role/upgrader" && entry.code == 200 && entry.resource == "pods" && entry.name.is_empty()
        })
    });
}

/// Runs this very test in a program of its own and kills that program: no destructor runs there.
#[test]
#[cfg(target_os = "linux")]
fn control_plane_ends_with_a_test_program_that_is_killed() {
    const HOLD: &str = "MNGUP_TEST_HOLD";
    if std::env::var_os(HOLD).is_some() {
        let Some(plane) = ControlPlane::start_or_skip(&Options::default()) else { return };
        println!("holding {}", plane.folder().display());
        loop {
            std::thread::park();
        }
    }
    if ControlPlane::find_binaries().is_none() {
        return;
    }

    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "control_plane::control_plane_ends_with_a_test_program_that_is_killed", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("holding ").map(|(_, folder)| folder.to_owned()))
        .expect("it names its folder");
    all_five_run(&folder);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually(SOON, "its processes are gone", || processes_that_mention(&folder).is_empty().then_some(()));
    // What it left behind goes when the next one starts.
    let next = ControlPlane::start_or_skip(&Options::default());
    assert!(next.is_some() && !Path::new(&folder).exists());
}

/// Waits for the servers of the control plane with this folder: for a moment, one that is about to exec has no command line.
fn all_five_run(folder: &str) {
    eventually(SOON, "all five servers run", || (processes_that_mention(folder).len() == 5).then_some(()));
}

fn get(plane: &ControlPlane, object: &str) -> Value {
    serde_json::from_str(&plane.kubectl(&["get", object, "-o", "json"])).expect("kubectl prints JSON")
}

fn get_all(plane: &ControlPlane, kind: &str, selector: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(&plane.kubectl(&["get", kind, "-l", selector, "-o", "json"]))
        .expect("kubectl prints JSON");
    list["items"].as_array().cloned().unwrap_or_default()
}

/// The status of a condition; empty while it has none.
fn condition(object: &Value, kind: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default().to_owned()
}
