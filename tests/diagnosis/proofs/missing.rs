//! Pods that a budget counts on and that nobody may make.

use super::*;
use mngup::sim::spec::QuotaSpec;

/// A quota that was lowered below what runs; beside it one with room for the pods that move, once the old are gone.
pub fn quota() -> Proof {
    let limited = |pods| {
        let quota = QuotaSpec { namespace: "default".to_owned(), name: "team".to_owned(), pods };
        WorldSpec { quotas: vec![quota], ..world(cart(out(1))) }
    };
    Proof::new(limited(2), "resourcequota/default/team", limited(3)).alone()
}

pub fn create_refused() -> Proof {
    let why = "error looking up service account default/cart: serviceaccount \"cart\" not found";
    let refused = |why: Option<&str>| world(WorkloadSpec { create_refused: why.map(str::to_owned), ..cart(out(1)) });
    Proof::new(refused(Some(why)), "deployment/default/cart", refused(None))
}
