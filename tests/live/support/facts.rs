//! What the records of both sides say: who was terminated, who wrote, where pods are, what the screen said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::aws::{AwsServer, Call};
use super::{AuditEntry, Bed, Ended, USER};

/// How the names of AWS actions begin that change something.
const CHANGES: [&str; 5] = ["Terminate", "Set", "Update", "Suspend", "Resume"];

/// The instances whose termination AWS accepted, in the order of the calls.
pub fn terminated(aws: &AwsServer) -> Vec<String> {
    let calls = aws.calls_of("autoscaling:TerminateInstanceInAutoScalingGroup");
    calls.into_iter().filter(|call| call.status == 200).map(|call| call.params["InstanceId"].clone()).collect()
}

/// Calls that change something in AWS, whatever was answered.
pub fn changes_of_aws(aws: &AwsServer) -> Vec<Call> {
    let changes = |call: &Call| CHANGES.iter().any(|begin| call.action.split(':').nth(1).unwrap().starts_with(begin));
    aws.calls().into_iter().filter(changes).collect()
}

/// mngup's requests that change something in the cluster, whatever was answered.
pub fn changes_of_cluster(bed: &Bed) -> Vec<AuditEntry> {
    changes_by(bed, USER)
}

/// A user's requests that change something in the cluster, whatever was answered; to ask for one's rights changes nothing.
pub fn changes_by(bed: &Bed, user: &str) -> Vec<AuditEntry> {
    let mut entries = bed.audit_of(user);
    entries.retain(|entry| {
        ["create", "update", "patch", "delete", "deletecollection"].contains(&entry.verb.as_str())
            && !matches!(entry.resource.as_str(), "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
    });
    entries
}

/// The pods of a Deployment: uid and node by name.
pub fn pods_of(bed: &Bed, app: &str) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pods = bed.list("pods").into_iter().filter(|pod| pod["metadata"]["labels"]["app"] == app);
    pods.map(|pod| {
        let meta = &pod["metadata"];
        (text(&meta["name"]), (text(&meta["uid"]), text(&pod["spec"]["nodeName"])))
    })
    .collect()
}

/// The names of the group's Nodes that are cordoned.
pub fn cordoned(bed: &Bed) -> BTreeSet<String> {
    names(bed.nodes().into_iter().filter(|node| node["spec"]["unschedulable"] == true))
}

/// The names of the group's Nodes that carry any trace of ours: an annotation, a taint, the load balancer label.
pub fn marked(bed: &Bed) -> BTreeSet<String> {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    names(bed.nodes().into_iter().filter(|node| {
        let mut found: Vec<String> = keys(&node["metadata"]["annotations"]);
        found.extend(keys(&node["metadata"]["labels"]));
        let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        found.extend(taints.iter().filter_map(|taint| taint["key"].as_str().map(str::to_owned)));
        found.iter().any(|key| key.starts_with("mngup.dev/") || key.ends_with("exclude-from-external-load-balancers"))
    }))
}

/// The template versions of the instances that stay.
pub fn versions(aws: &AwsServer) -> Vec<String> {
    aws.instances().into_iter().map(|(_, version)| version).collect()
}

/// The records of the journal that a run left in its home.
pub fn journal(run: &Ended) -> Vec<Value> {
    records(&run.files())
}

/// The whole records of the journal among these files of a home.
pub fn records(files: &[(PathBuf, String)]) -> Vec<Value> {
    let journal = files.iter().find(|(path, _)| path.extension().is_some_and(|end| end == "jsonl"));
    let whole = journal.and_then(|(_, text)| Some(text.rsplit_once('\n')?.0)).unwrap_or_default();
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The text without what differs from run to run: the time at a line's beginning, names of pods and nodes, the folder.
pub fn plain(run: &Ended, text: &str, apps: &[&str]) -> String {
    let text = text.replace(&run.home().display().to_string(), "HOME");
    let lines = text.lines().map(|line| {
        let is_time = |word: &str| word.len() == 8 && word.chars().all(|c| c.is_ascii_digit() || c == ':');
        let line = line.split_once(' ').filter(|(word, _)| is_time(word)).map_or(line, |(_, rest)| rest);
        let mut plain = String::new();
        for word in line.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let (name, end) =
                word.split_at(word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).len());
            let pod =
                apps.iter().find(|app| name.strip_prefix(*app).is_some_and(|rest| rest.matches('-').count() == 2));
            match pod {
                Some(app) => plain.extend([app, "-POD"]),
                None if name.starts_with("ip-10-0-") => plain.push_str("NODE"),
                None => plain.push_str(name),
            }
            plain.push_str(end);
        }
        plain.replace("NODE.eu-west-1.compute.internal", "NODE")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Why a run stopped and what to do about it: the end of stderr, but for the numbers that differ from run to run.
pub fn verdict(run: &Ended, apps: &[&str]) -> String {
    let text = plain(run, &run.stderr, apps);
    let began = ["PodEvictionFailure: node/", "NodeCreationFailure: no new node serves instead"];
    let lines = text.lines().skip_while(|line| !began.iter().any(|begin| line.starts_with(begin)));
    // How long it took, and where the report is, differ from run to run.
    let same = |line: &&str| !line.contains(" moved, ") && !line.starts_with("The report: ");
    lines.filter(same).collect::<Vec<_>>().join("\n")
}

fn names(nodes: impl Iterator<Item = Value>) -> BTreeSet<String> {
    nodes.map(|node| node["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}
