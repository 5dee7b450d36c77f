//! The names of the objects that a run keeps in the cluster.

use crate::domain::GroupName;

/// The prefix of every object of ours.
const PREFIX: &str = "mngup-";

/// A DNS-1123 label has at most 63 characters, and some tools put object names into labels.
const LONGEST: usize = 63;

/// The name of a group's `ConfigMap` and Lease.
///
/// A node group whose name is a DNS-1123 name already keeps it: people look for it. Any other name gets a hash of what
/// was meant, so that two groups never share an object.
pub(super) fn object_name(group: &GroupName) -> String {
    let (kind, plain) = match group {
        GroupName::Nodegroup(name) => ("", name.as_str()),
        GroupName::Asg(name) => ("asg-", name.as_str()),
    };
    let safe: String =
        plain.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let whole = format!("{PREFIX}{kind}{safe}");
    let kept = safe == plain && !safe.is_empty() && !safe.ends_with('-') && whole.len() <= LONGEST;
    if kept && !(kind.is_empty() && safe.starts_with("asg-")) {
        return whole;
    }
    let hash = format!("{:016x}", fnv(&group.to_string()));
    let room = LONGEST - hash.len() - 1;
    let start: String = whole.chars().take(room).collect();
    format!("{}-{hash}", start.trim_end_matches('-'))
}

/// FNV-1a: the same in every version, which the standard library's hash does not promise.
pub(super) fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn nodegroup(name: &str) -> String {
        object_name(&GroupName::Nodegroup(name.into()))
    }

    fn asg(name: &str) -> String {
        object_name(&GroupName::Asg(name.into()))
    }

    #[test]
    fn a_plain_name_is_kept() {
        assert_eq!(nodegroup("shop-2"), "mngup-shop-2");
        assert_eq!(asg("shop-2"), "mngup-asg-shop-2");
    }

    #[test]
    fn no_two_groups_share_a_name_and_each_is_a_dns_name() {
        let long = "x".repeat(255);
        let names = [
            nodegroup("shop"),
            nodegroup("Shop"),
            nodegroup("SHOP"),
            nodegroup("shop_"),
            nodegroup("shop-"),
            nodegroup("asg-shop"),
            asg("shop"),
            asg("Shop"),
            asg("shop group/1"),
            asg("eks-shop.1"),
            asg("---"),
            nodegroup(&long),
            asg(&long),
        ];
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        for name in names {
            assert!(name.len() <= LONGEST, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert!(name.starts_with("mngup-") && !name.ends_with('-'), "{name}");
        }
    }
}
