//! Ways out for volumes that are not where they are needed.

use super::{describe, kubectl};
use crate::domain::{Attachment, Command, Node, NodeName, Pod, Remedy};

pub(in super::super) fn attached(
    pod: &Pod,
    attachment: Option<&Attachment>,
    node: Option<&Node>,
    user: Option<&Pod>,
) -> Vec<Remedy> {
    let wait =
        Remedy::wait("a volume that is to be detached from a node that is not healthy is detached by force after 6m");
    let end = user.filter(|user| user.deletion.is_none()).map(|user| {
        let delete = kubectl(&user.id.namespace, &format!("delete pod/{}", user.id.name));
        Remedy::fix("let the pod go that still uses it there", vec![delete], "its grace period has to pass")
    });
    let Some(attachment) = attachment else {
        let describe = describe(&pod.id);
        let list = Command::Kubectl("get volumeattachments".to_owned());
        return vec![wait, Remedy::look("where it is attached", vec![describe, list])];
    };
    let wait = node.is_none_or(|node| !node.is_ready()).then_some(wait);
    let out = node.filter(|node| !node.is_ready()).map(|node| out_of_service(&node.name));
    // For a pod that is there its controller would attach it there again.
    let forget = user.is_none().then(|| {
        let forget = Command::Kubectl(format!("delete volumeattachment/{}", attachment.name));
        let risk = "data is lost where the old node still writes; it cannot be put back";
        Remedy::fix("say that it is no longer attached there", vec![forget], risk)
    });
    wait.into_iter().chain(end).chain(out).chain(forget).collect()
}

pub(in super::super) fn detaching(node: &NodeName) -> Vec<Remedy> {
    let list = Command::Kubectl("get volumeattachments".to_owned());
    let driver = "-n kube-system logs deployment/ebs-csi-controller -c csi-attacher --tail=50";
    vec![
        Remedy::wait("it takes seconds"),
        Remedy::look(format!("what is left on {node}"), vec![list]),
        Remedy::look("what the driver says, where it takes minutes", vec![Command::Kubectl(driver.to_owned())]),
    ]
}

/// Only for an instance that is gone: else two may write to one disk.
fn out_of_service(node: &NodeName) -> Remedy {
    const TAINT: &str = "node.kubernetes.io/out-of-service";
    let taint = Command::Kubectl(format!("taint nodes {node} {TAINT}=nodeshutdown:NoExecute"));
    let back = Command::Kubectl(format!("taint nodes {node} {TAINT}-"));
    let risk = "only where its instance is terminated: if it still runs, two write to one disk";
    Remedy::fix("say that the old node is out of service", vec![taint], risk).back(vec![back])
}
