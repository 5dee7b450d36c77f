//! Pods that others wait for and that do not become Ready.

use super::*;

/// A replacement in this trouble, which a budget waits for; beside it a pod in the same trouble that nobody waits for.
pub fn made_so(kind: TroubleKind) -> Proof {
    let so = |trouble, room| world(WorkloadSpec { trouble: Some(trouble), ..cart(out(room)) });
    Proof::new(so(made_anew(kind), 1), "pod/default/cart", so(first(kind), 2))
}
