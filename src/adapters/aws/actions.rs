//! The AWS actions that mngup calls, by the names that IAM gives them.

/// Reads a cluster's endpoint, CA and version.
pub(super) const DESCRIBE_CLUSTER: &str = "eks:DescribeCluster";
/// Names clusters when the one asked for does not exist.
pub(super) const LIST_CLUSTERS: &str = "eks:ListClusters";
/// Reads a managed node group.
pub(super) const DESCRIBE_NODEGROUP: &str = "eks:DescribeNodegroup";
/// Names node groups when the one asked for does not exist.
pub(super) const LIST_NODEGROUPS: &str = "eks:ListNodegroups";
/// Moves the maximum of a managed node group.
pub(super) const UPDATE_NODEGROUP_CONFIG: &str = "eks:UpdateNodegroupConfig";
/// Follows that until EKS says it is done.
pub(super) const DESCRIBE_UPDATE: &str = "eks:DescribeUpdate";
/// Names the updates of a node group.
pub(super) const LIST_UPDATES: &str = "eks:ListUpdates";
/// Tells whether the nodes' role is let into the cluster.
pub(super) const LIST_ACCESS_ENTRIES: &str = "eks:ListAccessEntries";
/// Reads the group and its instances.
pub(super) const DESCRIBE_GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";
/// Finds the group of a node whose labels do not tell it.
pub(super) const DESCRIBE_INSTANCES: &str = "autoscaling:DescribeAutoScalingInstances";
/// Reads why a launch failed.
pub(super) const DESCRIBE_ACTIVITIES: &str = "autoscaling:DescribeScalingActivities";
/// Reads whether somebody else rolls the group.
pub(super) const DESCRIBE_REFRESHES: &str = "autoscaling:DescribeInstanceRefreshes";
/// Reads what holds instances on their way in and out.
pub(super) const DESCRIBE_HOOKS: &str = "autoscaling:DescribeLifecycleHooks";
/// Ends an instance.
pub(super) const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";
/// Moves the desired size.
pub(super) const SET_DESIRED: &str = "autoscaling:SetDesiredCapacity";
/// Moves the maximum of a self-managed group.
pub(super) const UPDATE_GROUP: &str = "autoscaling:UpdateAutoScalingGroup";
/// Stops AZRebalance.
pub(super) const SUSPEND: &str = "autoscaling:SuspendProcesses";
/// Lets AZRebalance go on.
pub(super) const RESUME: &str = "autoscaling:ResumeProcesses";
/// Says which version `$Latest` and `$Default` are.
pub(super) const DESCRIBE_TEMPLATES: &str = "ec2:DescribeLaunchTemplates";

/// Says how many addresses the group's subnets have left.
pub(super) const DESCRIBE_SUBNETS: &str = "ec2:DescribeSubnets";

/// Every action that needs a right; `docs/iam-policy.json` grants exactly these.
///
/// The bearer token is a signed `sts:GetCallerIdentity`, which every identity may call without being granted it.
pub const ACTIONS: [&str; 20] = [
    DESCRIBE_CLUSTER,
    LIST_CLUSTERS,
    DESCRIBE_NODEGROUP,
    LIST_NODEGROUPS,
    UPDATE_NODEGROUP_CONFIG,
    DESCRIBE_UPDATE,
    LIST_UPDATES,
    LIST_ACCESS_ENTRIES,
    DESCRIBE_GROUPS,
    DESCRIBE_INSTANCES,
    DESCRIBE_ACTIVITIES,
    DESCRIBE_REFRESHES,
    DESCRIBE_HOOKS,
    TERMINATE,
    SET_DESIRED,
    UPDATE_GROUP,
    SUSPEND,
    RESUME,
    DESCRIBE_TEMPLATES,
    DESCRIBE_SUBNETS,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ACTIONS;

    fn statements() -> Vec<serde_json::Value> {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/iam-policy.json"));
        let policy: serde_json::Value = serde_json::from_str(text).unwrap();
        policy["Statement"].as_array().unwrap().clone()
    }

    fn actions(statement: &serde_json::Value) -> impl Iterator<Item = &str> {
        statement["Action"].as_array().unwrap().iter().map(|action| action.as_str().unwrap())
    }

    #[test]
    fn the_policy_that_we_ship_grants_exactly_what_we_call() {
        let statements = statements();
        assert!(statements.iter().all(|statement| statement["Effect"] == "Allow"));
        let granted: BTreeSet<_> = statements.iter().flat_map(actions).collect();
        assert_eq!(granted, BTreeSet::from(ACTIONS));
    }

    #[test]
    fn whatever_changes_something_is_granted_for_one_cluster_only() {
        for statement in statements() {
            let reads = actions(&statement).all(|action| action.contains(":Describe") || action.contains(":List"));
            let narrowed = format!("{}{}", statement["Resource"], statement["Condition"]).contains("CLUSTER");
            assert!(reads || narrowed, "{statement}");
        }
    }
}
