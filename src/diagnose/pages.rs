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
        Cause::PodCrashLoop => include_str!("../../docs/causes/POD-CRASH-LOOP.md"),
        Cause::PodImagePull => include_str!("../../docs/causes/POD-IMAGE-PULL.md"),
        Cause::PodNotReady => include_str!("../../docs/causes/POD-NOT-READY.md"),
        Cause::PodStarting => include_str!("../../docs/causes/POD-STARTING.md"),
        Cause::PodPending => include_str!("../../docs/causes/POD-PENDING.md"),
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
