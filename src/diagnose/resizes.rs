//! Who made a group want more instances, as its activities tell.

use jiff::Timestamp;

use super::limits;
use crate::domain::elapsed;

/// A change of the desired capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resize {
    pub(super) from: u32,
    pub(super) to: u32,
}

/// By how much an update of EKS that began then enlarged its group, unless that was taken back; of causes of activities
/// with when they began, the oldest first.
///
/// EKS sets all three sizes at once, soon after it has begun, and lets nobody else do so by it meanwhile: "At … a user
/// request update of AutoScalingGroup constraints to min: 2, max: 7, desired: 4 changing the desired capacity from 2 to 4."
/// Autoscalers set the desired capacity alone ("a user request explicitly set group desired capacity …"), policies and
/// schedules say so, and a replacement is "increasing the capacity from 2 to 3" without any such change.
pub(super) fn raised_by_an_update(began: Timestamp, causes: &[(Timestamp, &str)]) -> Option<Resize> {
    let mut after = causes.iter().filter(|(at, _)| *at >= began);
    let raised = after
        .by_ref()
        .take_while(|(at, _)| elapsed(began, *at) <= limits::EKS_ENLARGES)
        .filter(|(_, cause)| cause.contains("a user request update of AutoScalingGroup constraints"))
        .find_map(|(_, cause)| resize(cause).filter(|resize| resize.from < resize.to))?;
    let taken_back = after.filter_map(|(_, cause)| resize(cause)).any(|later| later.to <= raised.from);
    (!taken_back).then_some(raised)
}

fn resize(cause: &str) -> Option<Resize> {
    let (_, behind) = cause.split_once("changing the desired capacity from ")?;
    let (from, rest) = behind.split_once(" to ")?;
    let to: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(Resize { from: from.parse().ok()?, to: to.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::later;

    fn began() -> Timestamp {
        "2026-11-21T07:00:00Z".parse().unwrap()
    }

    /// By causes with how many seconds after the update's begin.
    fn raised(causes: &[(u64, &str)]) -> Option<Resize> {
        let at = |seconds: u64| later(began(), Duration::from_secs(seconds));
        let causes: Vec<_> = causes.iter().map(|(seconds, cause)| (at(*seconds), *cause)).collect();
        raised_by_an_update(began(), &causes)
    }

    const BY_EKS: &str = "At 2026-11-21T07:01:00Z a user request update of AutoScalingGroup constraints to min: 1, max: 6, \
                          desired: 4 changing the desired capacity from 2 to 4. At 2026-11-21T07:01:10Z an instance was \
                          started in response to a difference between desired and actual capacity, increasing the \
                          capacity from 2 to 4.";

    #[test]
    fn only_a_change_of_all_sizes_while_an_update_begins_is_its() {
        assert_eq!(raised(&[(70, BY_EKS)]), Some(Resize { from: 2, to: 4 }));
        let replaced = "At 2026-11-21T07:01:10Z an instance was started in response to a difference between desired and \
                        actual capacity, increasing the capacity from 2 to 3.";
        assert_eq!(raised(&[(70, replaced)]), None);
        let autoscaler = "At 2026-11-21T07:01:00Z a user request explicitly set group desired capacity changing the \
                          desired capacity from 2 to 3.";
        assert_eq!(raised(&[(70, autoscaler)]), None);
        let policy = "At 2026-11-21T07:01:00Z a monitor alarm cpu in state ALARM triggered policy more changing the \
                      desired capacity from 2 to 3.";
        assert_eq!(raised(&[(70, policy)]), None);
        assert_eq!(raised(&[(7200, BY_EKS)]), None, "long after it began it is somebody else's");
    }

    #[test]
    fn what_was_taken_back_is_not_left() {
        let back = "At 2026-11-21T08:00:00Z a user request update of AutoScalingGroup constraints to min: 1, max: 4, \
                    desired: 2 changing the desired capacity from 4 to 2.";
        assert_eq!(raised(&[(70, BY_EKS), (3600, back)]), None);
        let in_part = back.replace("4 to 2", "4 to 3");
        assert_eq!(raised(&[(70, BY_EKS), (3600, &in_part)]), Some(Resize { from: 2, to: 4 }));
    }
}
