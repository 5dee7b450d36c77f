//! Taints, cordons and versions of Nodes as the API has them, so that they can be changed without reading first.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::core::v1 as core;

use crate::domain::{NodeName, key};

/// What a change must know that stands on what was there: taints are one list to the API, and a cordon that was there
/// before is not ours. Only the version keeps others' changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RawNode {
    pub(super) version: String,
    pub(super) taints: Vec<core::Taint>,
    /// Unschedulable without our mark.
    pub(super) cordoned_by_others: bool,
}

impl RawNode {
    pub(super) fn of(node: &core::Node) -> Self {
        let spec = node.spec.as_ref();
        let ours = node.metadata.annotations.as_ref().is_some_and(|marks| marks.contains_key(key::CORDONED));
        Self {
            version: node.metadata.resource_version.clone().unwrap_or_default(),
            taints: spec.and_then(|spec| spec.taints.clone()).unwrap_or_default(),
            cordoned_by_others: spec.and_then(|spec| spec.unschedulable).unwrap_or_default() && !ours,
        }
    }
}

/// The newest of each Node that was seen.
#[derive(Debug, Default)]
pub(super) struct NodeCache(Mutex<BTreeMap<NodeName, RawNode>>);

impl NodeCache {
    /// Takes in a Node from a list or a watch, unless an answer to a patch was newer.
    pub(super) fn saw(&self, name: &NodeName, node: RawNode) {
        let mut nodes = self.lock();
        match nodes.get(name) {
            Some(known) if is_newer(&known.version, &node.version) => {}
            _ => drop(nodes.insert(name.clone(), node)),
        }
    }

    /// Takes in the answer to a patch, of a Node that is watched.
    pub(super) fn patched(&self, name: &NodeName, node: RawNode) {
        if let Some(known) = self.lock().get_mut(name)
            && !is_newer(&known.version, &node.version)
        {
            *known = node;
        }
    }

    pub(super) fn get(&self, name: &NodeName) -> Option<RawNode> {
        self.lock().get(name).cloned()
    }

    pub(super) fn forget(&self, name: &NodeName) {
        self.lock().remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeName, RawNode>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Versions are numbers that grow (Kubernetes promises it since 1.35 and has always kept it); others are not compared.
fn is_newer(a: &str, b: &str) -> bool {
    a.parse::<u64>().ok().zip(b.parse::<u64>().ok()).is_some_and(|(a, b)| a > b)
}
