//! A page for each cause, built in so that it can be read without a network.

use crate::domain::Cause;

/// What the cause is, how it is told, how it is fixed and prevented, and where that is known from: Markdown. A cause
/// without a page does not compile.
#[must_use]
pub fn page(cause: Cause) -> &'static str {
    match cause {
        Cause::PdbNeverAllows => include_str!("../../docs/causes/PDB-NEVER-ALLOWS.md"),
        Cause::PdbExhausted => include_str!("../../docs/causes/PDB-EXHAUSTED.md"),
        Cause::PdbUnhealthyBlocks => include_str!("../../docs/causes/PDB-UNHEALTHY-BLOCKS.md"),
        Cause::PdbSyncFailed => include_str!("../../docs/causes/PDB-SYNC-FAILED.md"),
        Cause::TwoBudgets => include_str!("../../docs/causes/TWO-BUDGETS.md"),
        Cause::PdbStaleDisrupted => include_str!("../../docs/causes/PDB-STALE-DISRUPTED.md"),
        Cause::PdbStatusBehind => include_str!("../../docs/causes/PDB-STATUS-BEHIND.md"),
        Cause::LandsBack => include_str!("../../docs/causes/LANDS-BACK.md"),
        Cause::BarePod => include_str!("../../docs/causes/BARE-POD.md"),
        Cause::LongGrace => include_str!("../../docs/causes/LONG-GRACE.md"),
        Cause::StuckTerminating => include_str!("../../docs/causes/STUCK-TERMINATING.md"),
        Cause::Finalizer => include_str!("../../docs/causes/FINALIZER.md"),
        Cause::Unexplained => include_str!("../../docs/causes/UNEXPLAINED.md"),
        Cause::StaysByDesign => include_str!("../../docs/causes/STAYS-BY-DESIGN.md"),
        Cause::AutoscalerKeeps => include_str!("../../docs/causes/AUTOSCALER-KEEPS.md"),
        Cause::WebhookDenies => include_str!("../../docs/causes/WEBHOOK-DENIES.md"),
        Cause::WebhookDown => include_str!("../../docs/causes/WEBHOOK-DOWN.md"),
        Cause::NamespaceTerminating => include_str!("../../docs/causes/NAMESPACE-TERMINATING.md"),
        Cause::RightsEvict => include_str!("../../docs/causes/RIGHTS-EVICT.md"),
        Cause::ApiBusy => include_str!("../../docs/causes/API-BUSY.md"),
        Cause::PodCrashLoop => include_str!("../../docs/causes/POD-CRASH-LOOP.md"),
        Cause::PodImagePull => include_str!("../../docs/causes/POD-IMAGE-PULL.md"),
        Cause::PodConfigMissing => include_str!("../../docs/causes/POD-CONFIG-MISSING.md"),
        Cause::PodInitFails => include_str!("../../docs/causes/POD-INIT-FAILS.md"),
        Cause::PodNoAddress => include_str!("../../docs/causes/POD-NO-ADDRESS.md"),
        Cause::PodSandbox => include_str!("../../docs/causes/POD-SANDBOX.md"),
        Cause::PodProbeGate => include_str!("../../docs/causes/POD-PROBE-GATE.md"),
        Cause::PodNotReady => include_str!("../../docs/causes/POD-NOT-READY.md"),
        Cause::PodStarting => include_str!("../../docs/causes/POD-STARTING.md"),
        Cause::NoCapacity => include_str!("../../docs/causes/NO-CAPACITY.md"),
        Cause::PodTooLarge => include_str!("../../docs/causes/POD-TOO-LARGE.md"),
        Cause::PodAffinity => include_str!("../../docs/causes/POD-AFFINITY.md"),
        Cause::PodAntiAffinity => include_str!("../../docs/causes/POD-ANTI-AFFINITY.md"),
        Cause::PodTaints => include_str!("../../docs/causes/POD-TAINTS.md"),
        Cause::SchedulingGated => include_str!("../../docs/causes/SCHEDULING-GATED.md"),
        Cause::NoScheduler => include_str!("../../docs/causes/NO-SCHEDULER.md"),
        Cause::ClaimPending => include_str!("../../docs/causes/CLAIM-PENDING.md"),
        Cause::PodPending => include_str!("../../docs/causes/POD-PENDING.md"),
        Cause::Quota => include_str!("../../docs/causes/QUOTA.md"),
        Cause::CreateRefused => include_str!("../../docs/causes/CREATE-REFUSED.md"),
        Cause::KubeletSilent => include_str!("../../docs/causes/KUBELET-SILENT.md"),
        Cause::NodeNotReady => include_str!("../../docs/causes/NODE-NOT-READY.md"),
        Cause::NodeCni => include_str!("../../docs/causes/NODE-CNI.md"),
        Cause::NodeRuntime => include_str!("../../docs/causes/NODE-RUNTIME.md"),
        Cause::NodeNoAddresses => include_str!("../../docs/causes/NODE-NO-ADDRESSES.md"),
        Cause::NodeDaemonset => include_str!("../../docs/causes/NODE-DAEMONSET.md"),
        Cause::NodeTaintStays => include_str!("../../docs/causes/NODE-TAINT-STAYS.md"),
        Cause::NodeResourceMissing => include_str!("../../docs/causes/NODE-RESOURCE-MISSING.md"),
        Cause::NodeCordonedNew => include_str!("../../docs/causes/NODE-CORDONED-NEW.md"),
        Cause::NodeOutlivesInstance => include_str!("../../docs/causes/NODE-OUTLIVES-INSTANCE.md"),
        Cause::HookHoldsLaunch => include_str!("../../docs/causes/HOOK-HOLDS-LAUNCH.md"),
        Cause::HookHoldsTermination => include_str!("../../docs/causes/HOOK-HOLDS-TERMINATION.md"),
        Cause::InstanceNeverJoined => include_str!("../../docs/causes/INSTANCE-NEVER-JOINED.md"),
        Cause::JoinNoAccess => include_str!("../../docs/causes/JOIN-NO-ACCESS.md"),
        Cause::InstanceProtected => include_str!("../../docs/causes/INSTANCE-PROTECTED.md"),
        Cause::InstanceWrongTemplate => include_str!("../../docs/causes/INSTANCE-WRONG-TEMPLATE.md"),
        Cause::InstanceLost => include_str!("../../docs/causes/INSTANCE-LOST.md"),
        Cause::VolumeZone => include_str!("../../docs/causes/VOLUME-ZONE.md"),
        Cause::VolumeAttached => include_str!("../../docs/causes/VOLUME-ATTACHED.md"),
        Cause::VolumeDetaching => include_str!("../../docs/causes/VOLUME-DETACHING.md"),
        Cause::LaunchNoCapacity => include_str!("../../docs/causes/LAUNCH-NO-CAPACITY.md"),
        Cause::LaunchQuota => include_str!("../../docs/causes/LAUNCH-QUOTA.md"),
        Cause::LaunchNoAddresses => include_str!("../../docs/causes/LAUNCH-NO-ADDRESSES.md"),
        Cause::LaunchTemplate => include_str!("../../docs/causes/LAUNCH-TEMPLATE.md"),
        Cause::LaunchAmi => include_str!("../../docs/causes/LAUNCH-AMI.md"),
        Cause::LaunchKeyPair => include_str!("../../docs/causes/LAUNCH-KEY-PAIR.md"),
        Cause::LaunchKms => include_str!("../../docs/causes/LAUNCH-KMS.md"),
        Cause::LaunchSpotPrice => include_str!("../../docs/causes/LAUNCH-SPOT-PRICE.md"),
        Cause::LaunchSecurityGroup => include_str!("../../docs/causes/LAUNCH-SECURITY-GROUP.md"),
        Cause::LaunchUnsupported => include_str!("../../docs/causes/LAUNCH-UNSUPPORTED.md"),
        Cause::LaunchDevice => include_str!("../../docs/causes/LAUNCH-DEVICE.md"),
        Cause::LaunchRights => include_str!("../../docs/causes/LAUNCH-RIGHTS.md"),
        Cause::LaunchSuspended => include_str!("../../docs/causes/LAUNCH-SUSPENDED.md"),
        Cause::LaunchAtMax => include_str!("../../docs/causes/LAUNCH-AT-MAX.md"),
        Cause::LaunchSilent => include_str!("../../docs/causes/LAUNCH-SILENT.md"),
        Cause::LaunchFails => include_str!("../../docs/causes/LAUNCH-FAILS.md"),
        Cause::GroupUpdating => include_str!("../../docs/causes/GROUP-UPDATING.md"),
        Cause::GroupNotActive => include_str!("../../docs/causes/GROUP-NOT-ACTIVE.md"),
        Cause::GroupSuspended => include_str!("../../docs/causes/GROUP-SUSPENDED.md"),
        Cause::GroupInstanceRefresh => include_str!("../../docs/causes/GROUP-INSTANCE-REFRESH.md"),
        Cause::GroupOperated => include_str!("../../docs/causes/GROUP-OPERATED.md"),
        Cause::GroupNoTemplate => include_str!("../../docs/causes/GROUP-NO-TEMPLATE.md"),
        Cause::GroupWeights => include_str!("../../docs/causes/GROUP-WEIGHTS.md"),
        Cause::NodeManagerRights => include_str!("../../docs/causes/NODE-MANAGER-RIGHTS.md"),
        Cause::EksTemplateMismatch => include_str!("../../docs/causes/EKS-TEMPLATE-MISMATCH.md"),
        Cause::EksTemplateGone => include_str!("../../docs/causes/EKS-TEMPLATE-GONE.md"),
        Cause::EksGroupChanged => include_str!("../../docs/causes/EKS-GROUP-CHANGED.md"),
        Cause::EksRoleGone => include_str!("../../docs/causes/EKS-ROLE-GONE.md"),
        Cause::EksSecurityGroupGone => include_str!("../../docs/causes/EKS-SECURITY-GROUP-GONE.md"),
        Cause::EksSubnet => include_str!("../../docs/causes/EKS-SUBNET.md"),
        Cause::EksLimit => include_str!("../../docs/causes/EKS-LIMIT.md"),
        Cause::EksClusterUnreachable => include_str!("../../docs/causes/EKS-CLUSTER-UNREACHABLE.md"),
        Cause::EksLabel => include_str!("../../docs/causes/EKS-LABEL.md"),
        Cause::EksAccessDenied => include_str!("../../docs/causes/EKS-ACCESS-DENIED.md"),
        Cause::EksDeletionStuck => include_str!("../../docs/causes/EKS-DELETION-STUCK.md"),
        Cause::EksAwsInternal => include_str!("../../docs/causes/EKS-AWS-INTERNAL.md"),
        Cause::EksLeftCordoned => include_str!("../../docs/causes/EKS-LEFT-CORDONED.md"),
        Cause::EksLeftSize => include_str!("../../docs/causes/EKS-LEFT-SIZE.md"),
        Cause::EksMixedVersions => include_str!("../../docs/causes/EKS-MIXED-VERSIONS.md"),
        Cause::EksIssue => include_str!("../../docs/causes/EKS-ISSUE.md"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every page has, in this order.
    const HEADINGS: [&str; 5] = ["## What it is", "## How it is told", "## Fix it", "## Prevent it", "## Sources"];

    #[test]
    fn every_page_is_called_like_its_cause_and_has_its_parts() {
        for cause in Cause::ALL {
            let (title, rest) = page(*cause).split_once('\n').unwrap();
            assert_eq!(title, format!("# {}: {}", cause.code(), cause.title()));
            let headings: Vec<_> = rest.lines().filter(|line| line.starts_with("## ")).collect();
            assert_eq!(headings, HEADINGS, "{cause}");
            let sources = rest.split("## Sources").nth(1).unwrap();
            assert!(sources.contains("http"), "{cause} names no source");
        }
    }
}
