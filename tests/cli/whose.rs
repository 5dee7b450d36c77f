//! `mngup diagnose` of a node or pod whose group nobody named.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{aws::World, bad_input::Place};

/// A Node with these labels; its instance is one that no group has.
fn node(name: &str, labels: &Value) -> Value {
    json!({ "kind": "Node", "apiVersion": "v1",
        "metadata": { "name": name, "labels": labels, "creationTimestamp": "2026-11-21T09:00:00Z" },
        "spec": { "providerID": "aws:///eu-west-1a/i-0123456789abcdef0" },
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
    place.api.add(node("ip-10-0-1-7.ec2.internal", &json!({ "eks.amazonaws.com/nodegroup": "workers" })));
    place.api.add(node("ip-10-0-2-9.ec2.internal", &json!({ "karpenter.sh/nodepool": "spare" })));
    place.api.add(pod("web-1", Some("ip-10-0-2-9.ec2.internal")));
    place.api.add(pod("web-2", None));
    place
}

#[test]
fn the_group_is_found_from_the_nodes_label() {
    let place = place();
    assert_snapshot!(place.mngup("diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-1-7"), @"");
    assert!(place.aws.calls().iter().any(|call| call.action == "eks:DescribeNodegroup"));
}

#[test]
fn a_node_of_no_group_is_looked_at_without_aws_and_so_is_a_pod_there() {
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-2-9.ec2.internal"), @"");
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --pod shop/web-1"), @"");
}

#[test]
fn a_kubeconfig_is_enough() {
    let place = place();
    assert_snapshot!(place.mngup("diagnose --kubeconfig kubeconfig --node ip-10-0-1-7"), @"");
    assert!(place.aws.calls().is_empty(), "{:?}", place.aws.calls());
}

#[test]
fn names_that_do_not_exist_lead_to_those_that_do() {
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --node 10.0.1.7"), @"");
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --node db"), @"");
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --pod shop/wbe-1"), @"");
    assert_snapshot!(place().mngup("diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-1-7 --node ip-10-0-2-9"), @"");
}

#[test]
fn who_may_not_read_it_is_told_which_right_lacks() {
    let place = place();
    place.api.deny("get nodes");
    assert_snapshot!(place.mngup("diagnose -c prod --kubeconfig kubeconfig --node ip-10-0-1-7"), @"");
    place.api.deny("get pods");
    assert_snapshot!(place.mngup("diagnose -c prod --kubeconfig kubeconfig --pod shop/web-2"), @"");
}
