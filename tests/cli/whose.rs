//! `mngup diagnose` of a node or pod whose group nobody named.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{aws::World, bad_input::Place};

/// A Node with these labels, of this instance.
fn node(name: &str, labels: &Value, instance: &str) -> Value {
    json!({ "kind": "Node", "apiVersion": "v1",
        "metadata": { "name": name, "labels": labels, "creationTimestamp": "2026-11-21T09:00:00Z" },
        "spec": { "providerID": format!("aws:///eu-west-1a/{instance}") },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }], "nodeInfo": { "kubeletVersion": "v1.34.0" } } })
}

fn pod(name: &str, node: Option<&str>) -> Value {
    json!({ "kind": "Pod", "apiVersion": "v1",
        "metadata": { "name": name, "namespace": "shop", "uid": format!("uid-{name}") },
        "spec": { "nodeName": node, "containers": [] },
        "status": { "phase": if node.is_some() { "Running" } else { "Pending" }, "conditions": [] } })
}

fn place() -> Place {
    let place = Place::new(World::default());
    let instances = place.aws.instances();
    let ours = &json!({ "eks.amazonaws.com/nodegroup": "workers" });
    place.api.add(node("ip-10-0-1-7.ec2.internal", ours, instances[0].0.as_str()));
    // One that no group has.
    let karpenter = &json!({ "karpenter.sh/nodepool": "spare" });
    place.api.add(node("ip-10-0-2-9.ec2.internal", karpenter, "i-0123456789abcdef0"));
    place.api.add(pod("web-1", Some("ip-10-0-2-9.ec2.internal")));
    place.api.add(pod("web-2", None));
    place
}

#[test]
fn the_group_is_found_from_the_nodes_label() {
    let place = place();
    assert_snapshot!(place.mngup("diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-1-7"), @"
    node/ip-10-0-1-7.ec2.internal: nothing stands in the way
    [0]
    ");
    assert!(place.aws.calls().iter().any(|call| call.action == "eks:DescribeNodegroup"));
}

#[test]
fn a_node_of_no_group_is_looked_at_without_aws_and_so_is_a_pod_there() {
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-2-9.ec2.internal"), @"
    node/ip-10-0-2-9.ec2.internal: 1 cause holds 1 node and 1 pod

    BARE-POD  pod/shop/web-1 has no controller
      holds  1 pod on ip-10-0-2-9: pod/shop/web-1
      why    no ownerReference of a controller: nobody would bring it back, and --delete-unmanaged was not given (spec)
      fix    # delete it; risk: it does not come back
             kubectl --kubeconfig kubeconfig -n shop delete pod/web-1
      more   mngup explain BARE-POD

    node/ip-10-0-2-9
    └ pod/shop/web-1  BARE-POD
    2> AWS is not asked: node/ip-10-0-2-9.ec2.internal is of no node group and no Auto Scaling group
    [4]
    ");
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --pod shop/web-1"), @"
    pod/shop/web-1: 1 cause holds 1 node and 1 pod

    BARE-POD  pod/shop/web-1 has no controller
      holds  1 pod on ip-10-0-2-9: pod/shop/web-1
      why    no ownerReference of a controller: nobody would bring it back, and --delete-unmanaged was not given (spec)
             POD-NOT-READY pod/shop/web-1: its Ready condition is not True
      fix    # delete it; risk: it does not come back
             kubectl --kubeconfig kubeconfig -n shop delete pod/web-1
      more   mngup explain BARE-POD

    node/ip-10-0-2-9
    └ pod/shop/web-1  BARE-POD
      └ pod/shop/web-1  POD-NOT-READY
    2> AWS is not asked: node/ip-10-0-2-9.ec2.internal is of no node group and no Auto Scaling group
    [4]
    ");
}

#[test]
fn a_kubeconfig_is_enough() {
    let place = place();
    assert_snapshot!(place.mngup("diagnose --kubeconfig kubeconfig --node ip-10-0-1-7"), @"
    node/ip-10-0-1-7.ec2.internal: nothing stands in the way
    2> AWS is not asked: no --cluster is named
    [0]
    ");
    assert!(place.aws.calls().is_empty(), "{:?}", place.aws.calls());
}

#[test]
fn names_that_do_not_exist_lead_to_those_that_do() {
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --node 10.0.1.7"), @"
    2> error: the cluster has no node 10.0.1.7
    2>   Next: mngup diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-1-7.ec2.internal
    [2]
    ");
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --node db"), @"
    2> error: the cluster has no node db
    2>   Next: kubectl --kubeconfig kubeconfig get nodes   # shows the names
    [2]
    ");
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --pod shop/wbe-1"), @"
    2> error: there is no pod wbe-1 in namespace shop
    2>   Next: mngup diagnose -c prod --kubeconfig kubeconfig --pod shop/web-1
    [2]
    ");
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-1-7 --node ip-10-0-2-9"), @"
    2> error: node/ip-10-0-1-7.ec2.internal and node/ip-10-0-2-9.ec2.internal are not known to be of one group
    2>   Next: ask about each alone, or name the group: -n NODEGROUP
    [2]
    ");
}

#[test]
fn who_may_not_read_it_is_told_which_right_lacks() {
    let place = place();
    place.api.deny("get nodes");
    assert_snapshot!(place.mngup("diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-1-7"), @r#"
    2> error: no right to get nodes: User "ann" cannot get resource "nodes" in API group "" at the cluster scope
    2>   Next: bind docs/rbac.yaml to this identity
    [4]
    "#);
    place.api.deny("get pods");
    assert_snapshot!(place.mngup("diagnose -c prod --kubeconfig kubeconfig --pod shop/web-2"), @r#"
    2> error: no right to get pods in namespace shop: User "ann" cannot get resource "pods" in API group "" at the cluster scope
    2>   Next: bind docs/rbac.yaml to this identity
    [4]
    "#);
}
