//! The catalogue, the pages and their index say the same.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use mngup::domain::{Cause, Family};

/// Pages that were written before the rule that finds their cause; what is in the catalogue is taken out of here.
const NOT_YET: &[&str] = &[
    "API-BUSY",
    "AUTOSCALER-KEEPS",
    "CLAIM-PENDING",
    "CREATE-REFUSED",
    "EKS-ACCESS-DENIED",
    "EKS-AWS-INTERNAL",
    "EKS-CLUSTER-UNREACHABLE",
    "EKS-DELETION-STUCK",
    "EKS-GROUP-CHANGED",
    "EKS-ISSUE",
    "EKS-LABEL",
    "EKS-LEFT-CORDONED",
    "EKS-LEFT-SIZE",
    "EKS-LIMIT",
    "EKS-MIXED-VERSIONS",
    "EKS-ROLE-GONE",
    "EKS-SECURITY-GROUP-GONE",
    "EKS-SUBNET",
    "EKS-TEMPLATE-GONE",
    "EKS-TEMPLATE-MISMATCH",
    "GROUP-INSTANCE-REFRESH",
    "GROUP-NO-TEMPLATE",
    "GROUP-NOT-ACTIVE",
    "GROUP-OPERATED",
    "GROUP-SUSPENDED",
    "GROUP-UPDATING",
    "GROUP-WEIGHTS",
    "HOOK-HOLDS-LAUNCH",
    "HOOK-HOLDS-TERMINATION",
    "INSTANCE-LOST",
    "INSTANCE-NEVER-JOINED",
    "INSTANCE-PROTECTED",
    "INSTANCE-WRONG-TEMPLATE",
    "JOIN-NO-ACCESS",
    "KUBELET-SILENT",
    "LAUNCH-AMI",
    "LAUNCH-AT-MAX",
    "LAUNCH-DEVICE",
    "LAUNCH-FAILS",
    "LAUNCH-KEY-PAIR",
    "LAUNCH-KMS",
    "LAUNCH-NO-ADDRESSES",
    "LAUNCH-NO-CAPACITY",
    "LAUNCH-QUOTA",
    "LAUNCH-RIGHTS",
    "LAUNCH-SECURITY-GROUP",
    "LAUNCH-SILENT",
    "LAUNCH-SPOT-PRICE",
    "LAUNCH-SUSPENDED",
    "LAUNCH-TEMPLATE",
    "LAUNCH-UNSUPPORTED",
    "NAMESPACE-TERMINATING",
    "NO-CAPACITY",
    "NO-SCHEDULER",
    "NODE-CNI",
    "NODE-CORDONED-NEW",
    "NODE-DAEMONSET",
    "NODE-MANAGER-RIGHTS",
    "NODE-NO-ADDRESSES",
    "NODE-NOT-READY",
    "NODE-OUTLIVES-INSTANCE",
    "NODE-RESOURCE-MISSING",
    "NODE-RUNTIME",
    "NODE-TAINT-STAYS",
    "POD-AFFINITY",
    "POD-ANTI-AFFINITY",
    "POD-CONFIG-MISSING",
    "POD-INIT-FAILS",
    "POD-NO-ADDRESS",
    "POD-PROBE-GATE",
    "POD-SANDBOX",
    "POD-TAINTS",
    "POD-TOO-LARGE",
    "QUOTA",
    "RIGHTS-EVICT",
    "SCHEDULING-GATED",
    "VOLUME-ATTACHED",
    "VOLUME-DETACHING",
    "VOLUME-ZONE",
    "WEBHOOK-DENIES",
    "WEBHOOK-DOWN",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/causes")
}

#[test]
fn every_cause_has_a_page_and_every_page_a_cause() {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> =
        names.filter(|name| name != "README.md").map(|name| name.strip_suffix(".md").unwrap().to_owned()).collect();
    let causes: BTreeSet<String> = Cause::ALL.iter().map(|cause| cause.code().to_owned()).collect();
    assert_eq!(causes.difference(&pages).collect::<Vec<_>>(), Vec::<&String>::new(), "causes without a page");
    let unknown: Vec<_> = pages.difference(&causes).filter(|code| !NOT_YET.contains(&code.as_str())).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "pages without a cause");
}

#[test]
fn the_index_has_each_cause_under_its_family_with_its_title() {
    let index = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut sections = index.split("\n## ").skip(1);
    for family in Family::ALL {
        let section = sections.next().unwrap();
        let heading = section.lines().next().unwrap();
        assert!(heading.eq_ignore_ascii_case(family.title()), "{heading}: {}", family.title());
        for cause in Cause::ALL.iter().filter(|cause| cause.family() == *family) {
            let code = cause.code();
            let row = format!("| [{code}]({code}.md) | {} |", cause.title());
            assert!(section.lines().any(|line| line == row), "not in docs/causes/README.md: {row}");
        }
        let rows = section.lines().filter_map(|line| line.strip_prefix("| [")?.split_once(']')).map(|(code, _)| code);
        let known =
            |code: &&str| Cause::parse(code).is_some_and(|cause| cause.family() == *family) || NOT_YET.contains(code);
        assert_eq!(rows.filter(|code| !known(code)).collect::<Vec<_>>(), Vec::<&str>::new(), "{heading}");
    }
    assert_eq!(sections.next(), None);
}
