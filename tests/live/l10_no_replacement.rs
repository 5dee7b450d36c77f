//! L10: the replacement never joins, or could not.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use mngup::{domain::Process, sim::asg::FailureReason};

use crate::support::aws::{Joins, World};
use crate::support::checks;
use crate::support::facts::{changes_of_aws, changes_of_cluster, terminated, verdict};
use crate::support::workloads::{all, deployment, pdb};
use crate::support::{Bed, BedOptions, Ended};

fn bed(world: World) -> Option<Bed> {
    let workloads = all([deployment("cart", 3).spread().yaml(), pdb("cart", "maxUnavailable: 1")]);
    Bed::start(BedOptions { world, workloads })
}

/// One node goes, and nothing comes in its stead.
fn upgrade(bed: &Bed) -> Ended {
    let size = bed.aws.size();
    let run = bed.upgrade(&["--max-surge", "0", "--post-drain-delay", "0s", "--replacement-timeout", "10s"]);
    assert_eq!(run.code, Some(6), "{run}");
    assert!(run.stderr.contains("NodeCreationFailure"), "{run}");
    assert_eq!(terminated(&bed.aws).len(), 1, "no second node is taken");
    checks::is_at_rest(bed, size, &BTreeSet::new());
    run
}

#[test]
fn l10_a_launch_that_fails_is_told_in_the_scaling_activity_s_own_words() {
    let Some(bed) = bed(World::default()) else { return };
    bed.aws.fail_launches(FailureReason::Capacity, None);
    let run = upgrade(&bed);
    assert!(run.stderr.contains("We currently do not have sufficient m6i.large capacity"), "{run}");
    assert_snapshot!(verdict(&run, &["cart"]), @"
    NodeCreationFailure: no new node serves instead of node/NODE after 10s

    LAUNCH-NO-CAPACITY  the group launched no instance
      why    We currently do not have sufficient m6i.large capacity in the Availability Zone you requested (eu-west-1c). Our system will be working on provisioning additional capacity. You can currently get m6i.large capacity by not specifying an Availability Zone in your request or choosing eu-west-1a, eu-west-1b. Launching EC2 instance failed. (scaling activity)
      look   # what the group tried
             aws autoscaling describe-scaling-activities --auto-scaling-group-name eks-workers-8ac7d1b2 --max-items 10 --query 'Activities[].[StartTime,StatusCode,StatusMessage,Details]' --output text
      more   mngup explain LAUNCH-NO-CAPACITY

    0 of 3 old nodes are replaced; NODE is gone and not replaced
    Auto Scaling goes on trying to launch what the group lacks
    Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n workers
      or, to undo what this run did (new nodes stay): mngup abort -c prod -n workers
    ");
    // When there is capacity again, the same command finishes it.
    bed.aws.heal_launches();
    let run = bed.upgrade(&["--max-surge", "0", "--post-drain-delay", "0s"]);
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn l10_a_node_that_is_never_ready_is_told_with_the_kubelet_s_reason() {
    let Some(bed) = bed(World::default()) else { return };
    bed.aws.joins(Joins::NotReady);
    let run = upgrade(&bed);
    assert!(run.stderr.contains("cni plugin not initialized"), "{run}");
    assert_snapshot!(verdict(&run, &["cart"]), @"
    NodeCreationFailure: no new node serves instead of node/NODE after 10s

    NODE-CNI  node/NODE has joined and is not Ready
      why    KubeletNotReady: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized (status)
      look   # kubectl must point to cluster prod:
             # aws eks update-kubeconfig --name prod
             # what it says of itself
             kubectl describe node/NODE
      more   mngup explain NODE-CNI

    0 of 3 old nodes are replaced; NODE is gone and not replaced
    Auto Scaling goes on trying to launch what the group lacks
    Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n workers
      or, to undo what this run did (new nodes stay): mngup abort -c prod -n workers
    ");
}

#[test]
fn l10_an_instance_that_never_registers_is_named() {
    let Some(bed) = bed(World::default()) else { return };
    bed.aws.joins(Joins::Never);
    let run = upgrade(&bed);
    let new = bed.aws.instances().into_iter().find(|(_, version)| version == "2").unwrap().0;
    assert!(run.stderr.contains(new.as_str()), "{run}");
    assert_snapshot!(verdict(&run, &["cart"]).replace(new.as_str(), "INSTANCE"), @"
    NodeCreationFailure: no new node serves instead of node/NODE after 10s

    INSTANCE-NEVER-JOINED  INSTANCE was launched and has not joined the cluster
      why    it is InService, and no Node has its id (status)
      look   # what its bootstrap says
             aws ec2 get-console-output --instance-id INSTANCE --latest --output text
      more   mngup explain INSTANCE-NEVER-JOINED

    0 of 3 old nodes are replaced; NODE is gone and not replaced
    Auto Scaling goes on trying to launch what the group lacks
    Next, when it is fixed (goes on where it stopped): mngup upgrade -c prod -n workers
      or, to undo what this run did (new nodes stay): mngup abort -c prod -n workers
    ");
}

#[test]
fn l10_a_group_in_no_state_for_it_is_refused_before_anything_is_touched() {
    let Some(bed) = bed(World::default()) else { return };
    let refused = |why: &str| {
        let run = bed.upgrade(&[]);
        assert_eq!(run.code, Some(4), "{why}: {run}");
        assert_eq!((run.stdout.as_str(), changes_of_aws(&bed.aws), changes_of_cluster(&bed)), ("", vec![], vec![]));
        run.stderr
    };

    bed.aws.with_asg(|asg, now| asg.suspend(&[Process::Launch], now));
    assert_snapshot!(refused("Launch"), @"
    error: nodegroup/workers: the process Launch is suspended on the Auto Scaling group, so that no node could be replaced
      Next: aws autoscaling resume-processes --auto-scaling-group-name eks-workers-8ac7d1b2 --scaling-processes Launch
      then: mngup upgrade -c prod -n workers
    ");
    bed.aws.with_asg(|asg, now| asg.suspend(&[Process::Terminate], now));
    assert_snapshot!(refused("Launch and Terminate"), @"
    error: nodegroup/workers: the processes Launch and Terminate are suspended on the Auto Scaling group, so that no node could be replaced
      Next: aws autoscaling resume-processes --auto-scaling-group-name eks-workers-8ac7d1b2 --scaling-processes Launch Terminate
      then: mngup upgrade -c prod -n workers
    ");
    bed.aws.with_asg(|asg, now| asg.resume(&[Process::Launch, Process::Terminate], now));

    bed.aws.describe_as("UPDATING", &[]);
    assert_snapshot!(refused("UPDATING"), @"
    error: nodegroup/workers: EKS is updating this node group itself (status UPDATING)
      Next: aws eks list-updates --name prod --nodegroup-name workers   # wait until EKS is done with what this shows
      then: mngup upgrade -c prod -n workers
    ");
    bed.aws.describe_as("DELETE_FAILED", &[]);
    assert_snapshot!(refused("DELETE_FAILED"), @"
    error: nodegroup/workers: the node group's status is DELETE_FAILED, not ACTIVE
      Next: aws eks describe-nodegroup --cluster-name prod --nodegroup-name workers   # look at its health
      then: mngup upgrade -c prod -n workers
    ");
    bed.aws.describe_as("ACTIVE", &[]);

    let node = bed.upgrade(&["--node", "ip-10-0-9-9.eu-west-1.compute.internal"]);
    assert_eq!(node.code, Some(4), "{node}");
    assert_snapshot!(node.stderr, @r#"
    error: nodegroup/workers has no node "ip-10-0-9-9.eu-west-1.compute.internal"; it has ip-10-0-1-11.eu-west-1.compute.internal, ip-10-0-2-13.eu-west-1.compute.internal, ip-10-0-3-12.eu-west-1.compute.internal
    "#);
    let namespace = bed.upgrade(&["--state-namespace", "nowhere"]);
    assert_snapshot!(namespace.stderr, @r#"
    error: this identity has no right in cluster/prod to get, create, patch, delete configmaps "mngup-workers" in namespace/nowhere; get, update, delete leases.coordination.k8s.io "mngup-workers" in namespace/nowhere; create leases.coordination.k8s.io in namespace/nowhere
      Next: bind docs/rbac.yaml to it (kubectl apply -f rbac.yaml), and give it an access entry with that group
    "#);
    assert_eq!(namespace.code, Some(4), "{namespace}");
    assert_eq!((changes_of_aws(&bed.aws), changes_of_cluster(&bed)), (vec![], vec![]));
}

#[test]
fn l10_a_group_that_somebody_else_rolls_is_refused() {
    let world = World {
        instance_refresh: Some("InProgress".into()),
        operator: Some("eks.amazonaws.com".into()),
        ..World::default()
    };
    let Some(bed) = bed(world) else { return };
    let run = bed.upgrade(&[]);
    assert_eq!(run.code, Some(4), "{run}");
    assert_snapshot!(run.stderr, @"
    error: nodegroup/workers: an instance refresh of the Auto Scaling group is under way (InProgress); the Auto Scaling group is operated by eks.amazonaws.com, which alone may change it
      Next: aws autoscaling cancel-instance-refresh --auto-scaling-group-name eks-workers-8ac7d1b2
       and: upgrade it through that service
    ");
    assert_eq!((changes_of_aws(&bed.aws), changes_of_cluster(&bed)), (vec![], vec![]));
}
