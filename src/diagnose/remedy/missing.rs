//! Ways out where pods are not made.

use serde_json::json;

use super::kubectl;
use crate::{
    diagnose::missing::{Exceeded, Lacks},
    domain::{Command, Object, Quantity, Remedy},
};

/// Ways out for a controller that may not make so many pods, by the words in which it was refused.
pub(in crate::diagnose) fn for_words(workload: &Object, words: &str, lacks: u32) -> Vec<Remedy> {
    match (Exceeded::of(words), workload) {
        (Some(told), Object::Workload { namespace, .. }) => quota(namespace, &told, lacks),
        (Some(_) | None, _) => refused(workload, words),
    }
}

pub(in crate::diagnose) fn quota(namespace: &str, told: &Exceeded<'_>, lacks: u32) -> Vec<Remedy> {
    let look = Remedy::look("what uses it", vec![kubectl(namespace, &format!("describe resourcequota/{}", told.name))]);
    let hard = |value: &dyn Fn(&Lacks<'_>) -> Option<String>| {
        let mut limits = serde_json::Map::new();
        for lacks in &told.of {
            limits.insert(lacks.resource.to_owned(), value(lacks)?.into());
        }
        let patch = json!({ "spec": { "hard": limits } });
        Some(kubectl(namespace, &format!("patch resourcequota/{} --type=merge -p '{patch}'", told.name)))
    };
    // Beyond what is used, where that is more than the limit.
    let more = hard(&|Lacks { asks, used, limit, .. }| {
        let (used, limit) = (Quantity::parse(used)?, Quantity::parse(limit)?);
        Some(used.max(limit).plus(Quantity::parse(asks)?.times(lacks)).to_string())
    });
    let raise = more.zip(hard(&|lacks| Some(lacks.limit.to_owned()))).map(|(more, before)| {
        let risk = "others of the namespace may take it; what is above it stays once it is put back";
        Remedy::fix("raise it while pods move", vec![more], risk).back(vec![before])
    });
    std::iter::once(look).chain(raise).collect()
}

pub(in crate::diagnose) fn is_room(used: &str, asks: &str, hard: &str) -> bool {
    let sum = Quantity::parse(used).zip(Quantity::parse(asks)).map(|(used, asks)| used.plus(asks));
    sum.zip(Quantity::parse(hard)).is_some_and(|(sum, hard)| sum <= hard)
}

pub(in crate::diagnose) fn refused(workload: &Object, words: &str) -> Vec<Remedy> {
    let Object::Workload { namespace, .. } = workload else { return Vec::new() };
    let events = kubectl(namespace, "get events --field-selector reason=FailedCreate");
    let look = Remedy::look("what the server says to each try", vec![events]);
    std::iter::once(look).chain(service_account(namespace, words)).chain(pod_security(namespace, words)).collect()
}

/// `error looking up service account shop/cart: serviceaccount "cart" not found`
fn service_account(namespace: &str, words: &str) -> Option<Remedy> {
    let (_, rest) = words.split_once("serviceaccount \"")?;
    let (name, _) = rest.split_once("\" not found")?;
    let make = Remedy::fix(
        "make its service account again",
        vec![kubectl(namespace, &format!("create serviceaccount {name}"))],
        "without its former annotations and bindings the program may lack rights",
    );
    Some(make.back(vec![kubectl(namespace, &format!("delete serviceaccount/{name}"))]))
}

/// `violates PodSecurity "restricted:latest": …`
fn pod_security(namespace: &str, words: &str) -> Option<Remedy> {
    let (_, rest) = words.split_once("violates PodSecurity \"")?;
    let level = rest.split([':', '"']).next()?;
    let enforce = |level: &str| {
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        vec![Command::Kubectl(format!("label namespace/{namespace} {label} --overwrite"))]
    };
    let risk = "every pod of the namespace may then do what the level forbids";
    Some(
        Remedy::fix("lift the level of its namespace while pods move", enforce("privileged"), risk)
            .back(enforce(level)),
    )
}
