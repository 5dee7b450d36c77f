//! `mngup diagnose` and `mngup explain`.

use insta::assert_snapshot;

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
};

use crate::{home_with, mngup, mngup_in, shipped, started};

/// What a diagnosis of a world says that comes with mngup.
pub(crate) fn in_world(world: &str, more: &str) -> String {
    mngup(&format!("diagnose --sandbox {} {more}", shipped(world))).replace(env!("CARGO_MANIFEST_DIR"), "DIR")
}

#[test]
fn a_cause_is_told_once_with_whom_it_holds_and_what_clears_it_away() {
    assert_snapshot!(in_world("never-allows", ""), @r#"
    nodegroup/workers: 1 cause holds 2 nodes and 2 pods

    PDB-NEVER-ALLOWS  pdb/shop/legacy-api can never allow an eviction
      holds  2 pods on ip-10-0-1-253, ip-10-0-3-83: pod/shop/legacy-api-86c105b9-8jdrp, pod/shop/legacy-api-86c105b9-z7wgs
      why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always (arithmetic)
      fix    # in a real cluster:
             # new pods elsewhere: a rollout does not ask the budget; risk: restarts all of its pods; one that comes up on
             # an old node holds that
             kubectl -n shop rollout restart deployment/legacy-api
      or     # let one pod leave at a time; risk: one pod less for a while
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":1}}'
      back   # puts it back, once the pods have moved:
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":"100%"}}'
      or     # delete what is left when the drain timeout ends; risk: past every budget of the group's pods
             mngup upgrade --sandbox DIR/plans/sandbox/never-allows.yaml --force
      more   mngup explain PDB-NEVER-ALLOWS

    node/ip-10-0-1-253
    └ pod/shop/legacy-api-86c105b9-z7wgs ─ pdb/shop/legacy-api  PDB-NEVER-ALLOWS
    node/ip-10-0-3-83
    └ pod/shop/legacy-api-86c105b9-8jdrp ─ pdb/shop/legacy-api  PDB-NEVER-ALLOWS  (as above)
    2> Next, when it is fixed: mngup upgrade --sandbox DIR/plans/sandbox/never-allows.yaml
    [4]
    "#);
}

#[test]
fn a_node_is_looked_at_down_to_what_it_waits_for() {
    assert_snapshot!(in_world("never-allows", "--node ip-10-0-1-253"), @r#"
    node/ip-10-0-1-253: 1 cause holds 1 node and 1 pod

    PDB-NEVER-ALLOWS  pdb/shop/legacy-api can never allow an eviction
      holds  1 pod on ip-10-0-1-253: pod/shop/legacy-api-86c105b9-z7wgs
      why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave, now and always (arithmetic)
      fix    # in a real cluster:
             # new pods elsewhere: a rollout does not ask the budget; risk: restarts all 2 of its pods; one that comes up on
             # an old node holds that
             kubectl -n shop rollout restart deployment/legacy-api
      or     # let one pod leave at a time; risk: one pod less for a while
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":1}}'
      back   # puts it back, once the pods have moved:
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":"100%"}}'
      or     # delete what is left when the drain timeout ends; risk: past every budget of the group's pods
             mngup upgrade --sandbox DIR/plans/sandbox/never-allows.yaml --force
      more   mngup explain PDB-NEVER-ALLOWS

    also         STAYS-BY-DESIGN node/ip-10-0-1-253: a DaemonSet's, or static: aws-node-b2pxz (good to know)

    node/ip-10-0-1-253
    └ pod/shop/legacy-api-86c105b9-z7wgs ─ pdb/shop/legacy-api  PDB-NEVER-ALLOWS
    2> Next, when it is fixed: mngup upgrade --sandbox DIR/plans/sandbox/never-allows.yaml
    [4]
    "#);
    assert_snapshot!(in_world("lands-back", "--before-upgrade"), @"
    nodegroup/workers: nothing that can be seen now would stand in an upgrade's way

    also         LANDS-BACK deployment/storage/disk-controller: they tolerate the taint of a cordoned node (operator:
                   Exists, without a key) (good to know)
    [0]
    ");
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_of_80_columns_holds_it() {
    let screen = |world: &str, more: &str| {
        crate::terminal::shown(80, &format!("diagnose --sandbox {} {more}", shipped(world)))
            .replace(env!("CARGO_MANIFEST_DIR"), "DIR")
    };
    assert_snapshot!(screen("never-allows", ""), @r#"
    nodegroup/workers: 1 cause holds 2 nodes and 2 pods

    PDB-NEVER-ALLOWS  pdb/shop/legacy-api can never allow an eviction
      holds  2 pods on ip-10-0-1-253, ip-10-0-3-83:
             pod/shop/legacy-api-86c105b9-8jdrp, pod/shop/legacy-api-86c105b9-z7wgs
      why    minAvailable 100% of 2 pods = 2 must stay; 2 are Ready; 0 may leave,
             now and always (arithmetic)
      fix    # in a real cluster:
             # new pods elsewhere: a rollout does not ask the budget; risk: restarts
             # all of its pods; one that comes up on an old node holds that
             kubectl -n shop rollout restart deployment/legacy-api
      or     # let one pod leave at a time; risk: one pod less for a while
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":1}}'
      back   # puts it back, once the pods have moved:
             kubectl -n shop patch pdb/legacy-api --type=merge -p '{"spec":{"minAvailable":"100%"}}'
      or     # delete what is left when the drain timeout ends; risk: past every
             # budget of the group's pods
             mngup upgrade --sandbox DIR/plans/sandbox/never-allows.yaml --force
      more   mngup explain PDB-NEVER-ALLOWS

    node/ip-10-0-1-253
    └ pod/shop/legacy-api-86c105b9-z7wgs ─ pdb/shop/legacy-api  PDB-NEVER-ALLOWS
    node/ip-10-0-3-83
    └ pod/shop/legacy-api-86c105b9-8jdrp
      └ pdb/shop/legacy-api  PDB-NEVER-ALLOWS  (as above)
    [4]
    "#);
    assert_snapshot!(screen("two-budgets", ""), @"
    nodegroup/workers: 1 cause holds 2 nodes and 2 pods

    TWO-BUDGETS  pdb/shop/cart and pdb/shop/critical-tier count the same pods
      holds  2 pods on ip-10-0-2-83, ip-10-0-3-253: pod/shop/cart-86c105b9-lksmp,
             pod/shop/cart-86c105b9-mz7wg
      why    the eviction API refuses a pod that more than one budget counts, now
             and always (spec)
             cart selects app in (cart); critical-tier selects tier in (critical)
             (spec)
      fix    # in a real cluster:
             # leave the pods to critical-tier; risk: pods that only the other
             # counts lose it, or what it asks for beyond this one
             kubectl -n shop get pdb/cart -o yaml > cart.yaml &&
             kubectl -n shop delete pdb/cart &&
             kubectl -n shop annotate pdb/critical-tier mngup.dev/counted=anew &&
             kubectl -n shop annotate pdb/critical-tier mngup.dev/counted-
      back   # puts it back, once the pods have moved:
             kubectl -n shop apply -f cart.yaml
      or     # leave the pods to cart; risk: pods that only the other counts lose
             # it, or what it asks for beyond this one
             kubectl -n shop get pdb/critical-tier -o yaml > critical-tier.yaml &&
             kubectl -n shop delete pdb/critical-tier &&
             kubectl -n shop annotate pdb/cart mngup.dev/counted=anew &&
             kubectl -n shop annotate pdb/cart mngup.dev/counted-
      back   # puts it back, once the pods have moved:
             kubectl -n shop apply -f critical-tier.yaml
      more   mngup explain TWO-BUDGETS

    node/ip-10-0-2-83
    └ pod/shop/cart-86c105b9-mz7wg
      └ pdb/shop/cart and pdb/shop/critical-tier  TWO-BUDGETS
    node/ip-10-0-3-253
    └ pod/shop/cart-86c105b9-lksmp
      └ pdb/shop/cart and pdb/shop/critical-tier  TWO-BUDGETS  (as above)
    [4]
    ");
    assert_snapshot!(screen("lands-back", ""), @r#"
    nodegroup/workers: 1 cause holds 1 node and 1 pod

    LANDS-BACK  pods of deployment/storage/disk-controller come back onto the
      cordoned node
      holds  1 pod on ip-10-0-2-83: pod/storage/disk-controller-86c105b9-n2ks8
      why    they tolerate the taint of a cordoned node (operator: Exists, without a
             key) (spec)
             pod/storage/disk-controller-86c105b9-n2ks8 was made after the cordon
             and runs there (seen)
      look   # in a real cluster:
             # where it gets its tolerations from
             kubectl -n storage get deployment/disk-controller -o yaml
      fix    # take that toleration out of its template; risk: rolls its pods, on
             # other nodes too
             kubectl -n storage patch deployment/disk-controller --type=json -p '[{"op":"test","path":"/spec/template/spec/tolerations","value":[{"operator":"Exists"}]},{"op":"remove","path":"/spec/template/spec/tolerations"}]'
      back   # puts it back, once the pods have moved:
             kubectl -n storage patch deployment/disk-controller --type=json -p '[{"op":"add","path":"/spec/template/spec/tolerations","value":[{"operator":"Exists"}]}]'
      or     # stop it while the node is replaced; risk: an outage of it
             kubectl -n storage scale deployment/disk-controller --replicas=0
      back   # puts it back, once the pods have moved:
             kubectl -n storage scale deployment/disk-controller --replicas=3
      more   mngup explain LANDS-BACK

    node/ip-10-0-2-83
    └ pod/storage/disk-controller-86c105b9-n2ks8
      └ deployment/storage/disk-controller  LANDS-BACK
    [4]
    "#);
}

/// More replicas than there are nodes, and no two of them on one node.
const CROWDED: &str = "\
name: crowded
group:
  nodegroup: { name: workers }
  template: { old: 1, new: 2 }
zones:
  - { name: a, old: 2 }
workloads:
  - kind: Deployment
    name: web
    namespace: shop
    replicas: 4
    anti-affinity: hostname
    budgets: [{ max-unavailable: 1 }]
";

#[test]
fn a_pod_that_no_node_takes_is_looked_at_as_well() {
    let home = home_with("crowded.yaml", CROWDED);
    let said = mngup_in(home.path(), "diagnose --sandbox crowded.yaml", &[]);
    let pending = said.split("POD-ANTI-AFFINITY  pod/").nth(1).and_then(|named| named.split(' ').next()).unwrap();
    let line = format!("diagnose --sandbox crowded.yaml --pod {pending}");
    assert_snapshot!(mngup_in(home.path(), &line, &[]), @r#"
    pod/shop/web-3659e55e-r2z6k: 1 cause holds 1 pod

    POD-ANTI-AFFINITY  pod/shop/web-3659e55e-r2z6k must not share a node with the pods that are there
      holds  1 pod: pod/shop/web-3659e55e-r2z6k
      why    4 replicas are to be kept apart and there are 3 places for them, with cordoned nodes and those to come
             (arithmetic)
             the scheduler says: 0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules (status)
      fix    # one node more while it is upgraded; risk: one more instance is paid for
             mngup upgrade --sandbox crowded.yaml --max-surge 1
      or     # in a real cluster:
             # one replica less while it is upgraded; risk: one pod less meanwhile; an autoscaler or GitOps may undo it
             kubectl -n shop scale deployment/web --replicas=3
      back   # puts it back, once the pods have moved:
             kubectl -n shop scale deployment/web --replicas=4
      or     # do not require it for the time of the upgrade; risk: rolls its pods, and two of them may share a node
             kubectl -n shop patch deployment/web --type=json -p '[{"op":"remove","path":"/spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution"},{"op":"replace","path":"/spec/strategy/rollingUpdate/maxUnavailable","value":2}]'
      back   # puts it back, once the pods have moved:
             kubectl -n shop patch deployment/web --type=json -p '[{"op":"add","path":"/spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution","value":[{"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"kubernetes.io/hostname"}]},{"op":"replace","path":"/spec/strategy/rollingUpdate/maxUnavailable","value":"25%"}]'
      look   # what the scheduler says
             kubectl -n shop describe pod/web-3659e55e-r2z6k
      more   mngup explain POD-ANTI-AFFINITY

    pod/shop/web-3659e55e-r2z6k  POD-ANTI-AFFINITY
    2> Next, when it is fixed: mngup upgrade --sandbox crowded.yaml
    [4]
    "#);
    let said = mngup_in(home.path(), &format!("{line}x"), &[]);
    assert!(
        said.contains("error: there is no pod ") && said.contains("2>   Next: ") && said.ends_with("[2]"),
        "{said}"
    );
}

#[test]
fn a_watch_shows_what_is_there_and_ends_with_what_it_saw_last() {
    let held = format!("--sandbox {} --at 10m", shipped("never-allows"));
    for (line, code) in [("--sandbox --before-upgrade", 0), (held.as_str(), 4)] {
        let mut command = started(Path::new("/"), &format!("diagnose --watch {line}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        assert!(first.starts_with("at ") && first.ends_with("Z\n"), "{first}");
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        assert_eq!(said, "looks again each 15s; Ctrl-C ends it\n");
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let ended = child.wait().unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(ended.code(), Some(code), "{rest}");
    }
}

/// A pod that nobody lets go once it has stopped.
const KEPT: &str = "\
name: kept
group:
  nodegroup: { name: workers }
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 3 }
workloads:
  - { kind: Deployment, name: cart, namespace: shop, replicas: 3, finalizers: [example.com/hold], budgets: [{ max-unavailable: 1 }] }
";

#[test]
fn a_watch_shows_anew_what_has_changed_and_nothing_else() {
    let home = home_with("kept.yaml", KEPT);
    // Some looks before the time is over that such a pod is given.
    let mut command = started(home.path(), "diagnose --watch --interval 1s --sandbox kept.yaml --at 102s");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut screens: Vec<String> = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !screens.last().is_some_and(|screen| screen.contains("FINALIZER")) {
        let line = lines.next().expect("a world goes on").unwrap();
        if line.starts_with("at ") {
            screens.push(String::new());
        } else if let Some(screen) = screens.last_mut() {
            screen.push_str(&line);
        }
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert_eq!(screens.len(), 2, "{screens:#?}");
    assert!(screens[0].contains("nothing stands in the way"), "{}", screens[0]);
}

#[test]
fn nothing_in_the_way_is_said_and_ends_well() {
    assert_snapshot!(mngup("diagnose --sandbox --at 0s"), @"
    nodegroup/workers: nothing that can be seen now would stand in an upgrade's way
    2> no node is cordoned: this is what an upgrade would meet (--before-upgrade)
    [0]
    ");
}

#[test]
fn after_a_run_that_gave_its_nodes_back_the_cause_is_told_all_the_same() {
    let said = in_world("never-allows", "--at 30m");
    assert!(said.starts_with("nodegroup/workers: 1 cause would hold 2 nodes and 2 pods\n"), "{said}");
    assert!(said.contains("\nPDB-NEVER-ALLOWS  pdb/shop/legacy-api") && said.ends_with("[4]"), "{said}");
    assert!(said.contains("2> no node is cordoned: this is what an upgrade would meet (--before-upgrade)"), "{said}");
}

#[test]
fn a_name_that_is_not_there_leads_to_the_one_that_was_meant() {
    let said = in_world("never-allows", "--at 0s --node ip-10-0-1-253.ec2.internal");
    assert!(said.contains("error: the group has no node ip-10-0-1-253.ec2.internal"), "{said}");
    assert!(said.contains("--node ip-10-0-1-253") && said.ends_with("[2]"), "{said}");
    let said = in_world("never-allows", "--at 0s --pod shop/legacy-api-86c105b9-8jdrx");
    assert!(said.contains("--pod shop/legacy-api-86c105b9-8jdrp") && said.ends_with("[2]"), "{said}");
    assert_snapshot!(mngup("diagnose --sandbox --pod cart"), @"
    2> error: --pod cart has no namespace
    2>   Next: write --pod NAMESPACE/NAME
    [2]
    ");
}

#[test]
fn only_one_thing_is_looked_at() {
    let said = mngup("diagnose -c prod -n apps --node a --before-upgrade");
    assert!(said.contains("cannot be used with") && said.ends_with("[2]"), "{said}");
    assert_snapshot!(mngup("diagnose -c prod"), @"
    2> error: which group? --nodegroup (or --asg) is missing
    2>   Next: mngup diagnose -c prod -n NODEGROUP
    [2]
    ");
    assert_snapshot!(mngup("diagnose --node a"), @"
    2> error: which cluster, and which group? --cluster and --nodegroup (or --asg) are missing
    2>   Next: mngup diagnose -c CLUSTER -n NODEGROUP --node a
    [2]
    ");
    assert_snapshot!(mngup("diagnose -c prod --watch --interval 0.5s --node a"), @"
    2> error: invalid value '0.5s' for '--interval <TIME>': write it as 90s, 15m or 1h30m
    2>
    2> For more information, try '--help'.
    [2]
    ");
    assert_snapshot!(mngup("diagnose -c prod --watch --interval 500ms --node a"), @"
    2> error: invalid value '500ms' for '--interval <TIME>': servers are not asked more often than each second
    2>
    2> For more information, try '--help'.
    [2]
    ");
}

#[test]
fn a_cause_is_explained_without_a_network() {
    assert!(mngup("explain pdb-never-allows").starts_with("# PDB-NEVER-ALLOWS: "));
    assert_snapshot!(mngup("explain PDB-NEVER-ALOWS"), @"
    2> error: no cause is called PDB-NEVER-ALOWS
    2>   Next: mngup explain PDB-NEVER-ALLOWS
    2>     or: mngup explain   # names all of them
    [2]
    ");
    assert!(mngup("explain").contains("POD-CRASH-LOOP"));
    for shell in ["bash", "zsh"] {
        let script = mngup(&format!("completions {shell}"));
        assert!(script.contains("POD-CRASH-LOOP"), "{shell}");
    }
}

#[test]
fn an_update_that_is_not_there_leads_to_those_that_are() {
    let said = mngup("diagnose --sandbox --latest-update");
    assert!(said.contains("nodegroup/workers has no update that failed or is under way"), "{said}");
    assert!(said.ends_with("[2]"), "{said}");
    let said = mngup("diagnose --sandbox --update-id 0a1b2c3d");
    assert!(said.contains("nodegroup/workers has no update 0a1b2c3d") && said.ends_with("[2]"), "{said}");
    let said = mngup("diagnose --sandbox --update-id 0a1b2c3d --latest-update");
    assert!(said.contains("cannot be used with"), "{said}");
}
