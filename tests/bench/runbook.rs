//! What people do by hand: drain a node, wait, terminate its instance, wait for the new one, and so on.

use std::{collections::BTreeMap, time::Duration};

use aws_credential_types::Credentials;
use aws_sdk_autoscaling::{
    Client, Config,
    config::{BehaviorVersion, Region},
};
use serde_json::Value;

use crate::support::{Bed, PERSON, eventually};

/// For a drain, and for a new node.
const PATIENCE: Duration = Duration::from_mins(5);

/// Replaces all nodes of the group, one after the other.
///
/// Which nodes there are and whether the new one is Ready is looked up as another user, so that it costs the person
/// no requests.
pub fn by_hand(bed: &Bed, post_drain_delay: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let asg = auto_scaling(bed);
    let old: Vec<(String, String)> = bed.nodes().iter().map(|node| (name(node), instance(node))).collect();
    for (node, instance) in &old {
        let drain = ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data"];
        bed.plane.kubectl_as(PERSON, &drain).unwrap_or_else(|complaint| panic!("kubectl drain {node}: {complaint}"));
        std::thread::sleep(post_drain_delay);
        let request = asg.terminate_instance_in_auto_scaling_group().instance_id(instance);
        let answer = runtime.block_on(request.should_decrement_desired_capacity(false).send());
        answer.expect("Auto Scaling terminates the instance");
        eventually(PATIENCE, "as many nodes are Ready as before", || {
            let nodes = bed.nodes();
            let ready = nodes.iter().filter(|other| name(other) != *node && is_ready(other)).count();
            (ready >= old.len()).then_some(())
        });
    }
}

/// Signed as `aws` would.
fn auto_scaling(bed: &Bed) -> Client {
    let env: BTreeMap<String, String> = bed.aws.env().into_iter().collect();
    let keys = Credentials::new(&env["AWS_ACCESS_KEY_ID"], &env["AWS_SECRET_ACCESS_KEY"], None, None, "bench");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env["AWS_REGION"].clone()))
        .endpoint_url(&env["AWS_ENDPOINT_URL"])
        .credentials_provider(keys);
    Client::from_conf(config.build())
}

fn name(node: &Value) -> String {
    node["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn instance(node: &Value) -> String {
    let provider = node["spec"]["providerID"].as_str().unwrap_or_default();
    provider.rsplit('/').next().unwrap_or_default().to_owned()
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}
