//! D1: pods that take their time to leave, or that the API server itself does not let go.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::support::aws::World;
use crate::support::checks;
use crate::support::diagnose::{Copies, Stalled, diagnose};
use crate::support::workloads::{all, daemon_set, deployment, in_namespace, pdb};
use crate::support::{Bed, BedOptions, Ended, PERSON, READER, Running, USER, eventually};

/// What no command of ours clears away: their owners do.
const CAUSES: [Copies; 2] = [
    Copies { code: "NAMESPACE-TERMINATING", namespaces: &["going"], objects: &[] },
    Copies { code: "PDB-EXHAUSTED", namespaces: &["operated"], objects: &[] },
];

/// How a run goes here; its node waits less than two of the pods may take.
const FLAGS: [&str; 6] = ["--max-surge", "1", "--drain-timeout", "50s", "--post-drain-delay", "0s"];

/// What those pods may take, in seconds, and take.
const GRACE: u64 = 80;

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn what_takes_its_time_or_is_refused_is_named_and_the_run_goes_on_once_that_is_over() {
    let world = World { old: 1, ..World::default() };
    let long = || deployment("app", 1).placed(&format!("terminationGracePeriodSeconds: {GRACE}")).stop_ms(3_600_000);
    let kept = deployment("app", 1).annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "false");
    let workloads = all([
        in_namespace("long-cut", [long().yaml()]),
        in_namespace("long-wait", [long().yaml()]),
        in_namespace("going", [kept.yaml()]),
        daemon_set("agent"),
    ]);
    let Some(bed) = Bed::start(BedOptions { world, workloads }) else { return };
    let old = checks::name(&bed.nodes()[0]);
    // The disruption controller looks for new kinds twice a minute: until it is needed it knows this one.
    bed.plane.apply(SHOPS);
    is_being_deleted(&bed, "going");

    // What takes longer than the node waits ends the run; both ways out are in its last words.
    let run = bed.upgrade(&FLAGS);
    assert_eq!(run.code, Some(5), "{run}");
    let is_said = run.stderr.lines().any(|line| line.contains(" waits ") && line.contains("LONG-GRACE"));
    assert!(is_said, "{run}");
    paste(&bed, &run, "kubectl -n long-cut delete pod/");
    let longer = printed(&run, "mngup upgrade ");
    let words: Vec<_> = longer.split_whitespace().skip(1).chain(["--yes"]).collect();
    assert!(longer.contains("--drain-timeout 7m"), "{longer}");
    let mut run = bed.spawn(&words);
    run.wait_until_said(" cordoned", PATIENCE);
    for namespace in ["long-cut", "long-wait"] {
        eventually(2 * PATIENCE, &format!("nobody stops in namespace {namespace}"), || {
            let of = |pod: &Value| pod["metadata"]["namespace"] == namespace;
            let stops = |pod: &Value| !pod["metadata"]["deletionTimestamp"].is_null();
            let pods = bed.list("pods");
            (!pods.iter().any(|pod| of(pod) && stops(pod))).then_some(())
        });
    }

    let run = loses_its_right(&bed, run);
    // Both the role and its binding.
    paste(&bed, &run, "kubectl create clusterrole mngup-create-pods-eviction ");

    let missing = operators_are_gone(&bed, &old);
    let _nobody = one_seat_is_taken(&bed, "busy");
    let mut run = bed.spawn_upgrade(&FLAGS[..2]);
    run.wait_until_said(" cordoned", PATIENCE);
    takes_their_time(&bed, &[("POD-STARTING", "slow"), ("API-BUSY", "")]);
    asks_about_the_node(&bed, &old);
    let mut run = Stalled::watch(&bed, run, &CAUSES.map(|copies| copies.code));
    run.look_until_found(&CAUSES);
    let found = run.finding("PDB-EXHAUSTED", "operated").to_string();
    assert!(found.contains("it counts on 3 pods and there are 2: shop/operated/web is to make more"), "{found}");
    assert!(run.finding("NAMESPACE-TERMINATING", "going").to_string().contains("pods are kept here"));
    run.clear_and(&[], |_| {
        bed.plane.kubectl(&["delete", "validatingadmissionpolicybinding/going"]);
        bed.plane.apply(&missing);
    });
}

/// Pods that somebody's own controllers made, which run no more: two of three that a budget counts on, two of which one is
/// still starting, and one without a budget. What would make up for it is returned.
fn operators_are_gone(bed: &Bed, old: &str) -> String {
    let names: Vec<_> = bed.nodes().iter().map(checks::name).collect();
    let new = names.iter().find(|name| *name != old).expect("the extra node");
    let one_may_be_out = || pdb("web", "maxUnavailable: 1");
    bed.plane.apply(&all([
        in_namespace("operated", [shop(3), one_may_be_out()]),
        in_namespace("slow", [shop(2), one_may_be_out()]),
        in_namespace("busy", [shop(1)]),
    ]));
    let pod = |namespace: &str, number: u32, start_ms: u32, place: &str| {
        let uid = bed.plane.kubectl(&["-n", namespace, "get", "shop/web", "-o", "jsonpath={.metadata.uid}"]);
        let owner = format!("apiVersion: example.com/v1, kind: Shop, name: web, uid: {uid}, controller: true");
        format!(
            "\
apiVersion: v1
kind: Pod
metadata:
  name: web-{number}
  namespace: {namespace}
  labels: {{app: web}}
  annotations: {{mngup.test/start-ms: \"{start_ms}\", mngup.test/stop-ms: \"100\"}}
  ownerReferences: [{{{owner}}}]
spec: {{{place}containers: [{{name: app, image: app}}]}}
"
        )
    };
    let (on_old, on_new) = (format!("nodeName: {old}, "), format!("nodeName: {new}, "));
    bed.plane.apply(&all([
        pod("operated", 1, 200, &on_old),
        pod("operated", 2, 200, &on_old),
        pod("slow", 1, 200, &on_old),
        pod("slow", 2, 30_000, &on_new),
        pod("busy", 1, 200, &on_old),
    ]));
    for (namespace, count, expected) in [("operated", 2, 3), ("slow", 1, 2)] {
        eventually(PATIENCE, &format!("the budget of namespace {namespace} knows its pods"), || {
            let is_it = |pdb: &Value| pdb["metadata"]["namespace"] == namespace;
            let status = &bed.list("pdb").into_iter().find(is_it)?["status"];
            (status["expectedPods"] == expected && status["currentHealthy"] == count).then_some(())
        });
    }
    // In place of each that leaves, for nobody makes another.
    all([pod("operated", 3, 200, ""), pod("operated", 4, 200, "")])
}

/// Of a kind of somebody's own, which makes so many pods.
fn shop(replicas: u32) -> String {
    format!(
        "{{apiVersion: example.com/v1, kind: Shop, metadata: {{name: web, namespace: default}}, spec: {{replicas: {replicas}}}}}\n"
    )
}

const SHOPS: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.example.com}
spec:
  group: example.com
  names: {kind: Shop, plural: shops, singular: shop}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    subresources: {scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
";

/// The API server has one seat for whoever makes something in this namespace, and somebody sits there for most of a
/// minute: five webhooks are asked about it one after the other, and after ten seconds each has not shaken hands.
fn one_seat_is_taken(bed: &Bed, namespace: &str) -> TcpListener {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}/", nobody.local_addr().expect("it is bound"));
    let webhook = |number: u32| {
        format!(
            "\
- name: hook-{number}.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  timeoutSeconds: 30
  clientConfig: {{url: \"{url}\"}}
  namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}
  rules: [{{operations: [CREATE], apiGroups: [\"\"], apiVersions: [v1], resources: [configmaps]}}]
"
        )
    };
    bed.plane.apply(&format!(
        "\
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {{name: {namespace}}}
spec:
  type: Limited
  limited: {{nominalConcurrencyShares: 0, lendablePercent: 0, borrowingLimitPercent: 0, limitResponse: {{type: Reject}}}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {{name: {namespace}}}
spec:
  priorityLevelConfiguration: {{name: {namespace}}}
  matchingPrecedence: 2
  rules:
  - subjects: [{{kind: Group, group: {{name: \"{USER}\"}}}}]
    resourceRules:
    - {{verbs: [create], apiGroups: [\"\"], resources: [pods/eviction, configmaps], namespaces: [{namespace}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {{name: {namespace}}}
webhooks:
{}",
        (1..=5).map(webhook).collect::<String>()
    ));
    bed.plane.kubectl(&["-n", namespace, "create", "role", "maker", "--verb=create", "--resource=configmaps"]);
    bed.plane.kubectl(&["-n", namespace, "create", "rolebinding", "maker", "--role=maker", "--user", READER]);
    // Of two who come, one is sent away.
    for name in ["one", "two"] {
        let make = format!("kubectl -n {namespace} create configmap {name} > /dev/null 2>&1 &");
        bed.plane.shell(READER, &make).expect("it begins");
    }
    eventually(PATIENCE, "the seat is taken", || {
        bed.audit_of(READER).iter().any(|entry| entry.code == 429).then_some(())
    });
    nobody
}

/// A namespace that is deleted, where a policy keeps the pods.
fn is_being_deleted(bed: &Bed, namespace: &str) {
    bed.plane.apply(&format!(
        "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {namespace}}}
spec:
  matchConstraints: {{resourceRules: [{{apiGroups: [\"\"], apiVersions: [v1], operations: [DELETE], resources: [pods]}}]}}
  validations: [{{expression: \"false\", message: pods are kept here}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {namespace}}}
spec:
  policyName: {namespace}
  validationActions: [Deny]
  matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}
"
    ));
    eventually(PATIENCE, "the policy is heeded", || {
        let tried = bed.plane.kubectl_try(&["-n", namespace, "delete", "pods", "--all", "--dry-run=server"]);
        tried.is_err().then_some(())
    });
    bed.plane.kubectl(&["delete", "namespace", namespace, "--wait=false"]);
}

/// Somebody takes away the right to evict in the middle of a run, which ends with how to give it back.
fn loses_its_right(bed: &Bed, mut run: Running) -> Ended {
    assert!(run.is_running(), "{}", run.stderr());
    let rules = bed.get("clusterrole/mngup")["rules"].clone();
    let evicts = rules.as_array().unwrap().iter().position(|rule| rule["resources"][0] == "pods/eviction").unwrap();
    let patch = format!(r#"[{{"op":"remove","path":"/rules/{evicts}"}}]"#);
    bed.plane.kubectl(&["patch", "clusterrole/mngup", "--type=json", "-p", &patch]);
    let run = run.wait(PATIENCE);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("RIGHTS-EVICT"), "{run}");
    run
}

/// What nobody has to act on is told as such.
fn takes_their_time(bed: &Bed, causes: &[(&str, &str)]) {
    let (found, screen) = diagnose(bed);
    for (code, namespace) in causes {
        let is_it = |found: &&Value| found["cause"] == *code && found["object"].to_string().contains(namespace);
        let found = found["findings"].as_array().unwrap().iter().find(is_it);
        assert_eq!(found.map(|found| &found["grade"]), Some(&"waits".into()), "{code}: {screen}");
        let is_said = |line: &str| line.contains(code);
        assert!(screen.stdout.lines().any(is_said), "{code}: {screen}");
    }
    assert!(screen.stdout.contains("(takes its time)"), "{screen}");
}

/// Whoever asks about a node hears what stays there on purpose.
fn asks_about_the_node(bed: &Bed, node: &str) {
    let run = bed.command("diagnose", &["--node", node]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stdout.contains(&format!("STAYS-BY-DESIGN node/{node}")), "{run}");
    assert!(run.stdout.contains("AUTOSCALER-KEEPS deployment/going/app"), "{run}");
}

/// A line of what a run said, as it is printed, with those that it is joined to.
fn printed(run: &Ended, begin: &str) -> String {
    let mut lines = run.stderr.lines().map(str::trim).skip_while(|line| !line.starts_with(begin));
    let mut printed = lines.next().unwrap_or_else(|| panic!("not on the screen: {begin}\n{run}")).to_owned();
    while printed.ends_with("&&") {
        printed = format!("{printed}\n{}", lines.next().expect("what it is joined to"));
    }
    printed
}

/// Runs such lines in a shell.
fn paste(bed: &Bed, run: &Ended, begin: &str) {
    let line = printed(run, begin);
    println!("{line}");
    bed.plane.shell(PERSON, &line).unwrap_or_else(|complaint| panic!("{line}: {complaint}"));
}
