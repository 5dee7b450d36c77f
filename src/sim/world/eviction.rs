//! The eviction API's answers (`pkg/registry/core/pod/storage/eviction.go`), and plain deletion.

use std::time::Duration;

use super::{
    Loss, World,
    state::{PodKey, SimPod},
};
use crate::{
    domain::{PodPhase, PodRef, UnhealthyPolicy, later},
    ports::{Outcome, Refusal},
};

/// More accepted evictions than this that nobody has seen leave, and the server takes no more.
const MOST_DISRUPTED: usize = 2000;

/// What stands behind the webhooks of a world.
pub(super) const WEBHOOK_SERVICE: &str = "guard";
/// Where that is.
pub(super) const WEBHOOK_NAMESPACE: &str = "admission";

impl World {
    pub(super) fn evict(&mut self, pod: &PodRef, grace: Option<u32>) -> Outcome {
        let key = match self.find(pod) {
            Ok(key) => key,
            Err(refusal) => return self.refuse(refusal),
        };
        self.note_foreign_pod(key, "evicted");
        if let Err(refusal) = self.may_evict(key) {
            return self.refuse(refusal);
        }
        *self.facts.evictions.entry(pod.uid.clone()).or_default() += 1;
        self.note_loss(key, Loss::Evicted);
        self.begin_deletion(key, grace);
        self.settle();
        Outcome::Done
    }

    pub(super) fn delete_pod(&mut self, pod: &PodRef, grace: Option<u32>) -> Outcome {
        let key = match self.find(pod) {
            Ok(key) => key,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        self.note_foreign_pod(key, "deleted");
        self.facts.deletions.push(pod.clone());
        self.note_loss(key, Loss::Deleted);
        self.begin_deletion(key, grace);
        self.settle();
        Outcome::Done
    }

    fn refuse(&mut self, refusal: Refusal) -> Outcome {
        self.facts.evictions_refused += 1;
        Outcome::Refused(refusal)
    }

    /// The pod of that name, if its uid is the one that was meant.
    fn find(&self, pod: &PodRef) -> Result<PodKey, Refusal> {
        if let Some(key) = self.pod_uids.get(&pod.uid) {
            return Ok(*key);
        }
        let mut others = self.pods.values().map(|other| &other.object.id);
        match others.find(|other| other.namespace == pod.namespace && other.name == pod.name) {
            Some(other) => Err(Refusal::Conflict {
                message: format!(
                    "Operation cannot be fulfilled on pods \"{}\": Precondition failed: UID in precondition: {}, UID \
                     in object meta: {}",
                    pod.name, pod.uid, other.uid
                ),
            }),
            None => Err(Refusal::Gone),
        }
    }

    /// What an eviction of this pod would be refused for now.
    pub(super) fn would_refuse(&mut self, pod: &PodRef) -> Option<Refusal> {
        self.find(pod).and_then(|key| self.may_evict(key)).err()
    }

    fn may_evict(&mut self, key: PodKey) -> Result<(), Refusal> {
        let Some(pod) = self.pods.get(&key) else { return Err(Refusal::Gone) };
        let workload = &self.workloads[pod.workload];
        if self.spec.denied.iter().any(|right| right == "create pods/eviction") {
            return Err(Refusal::Forbidden {
                message: format!(
                    "pods \"{}\" is forbidden: User \"mngup\" cannot create resource \"pods/eviction\" in API group \
                     \"\" in the namespace \"{}\"",
                    pod.object.id.name, pod.object.id.namespace
                ),
            });
        }
        if self.terminating_namespaces.contains_key(&workload.spec.namespace) {
            return Err(Refusal::NamespaceTerminating);
        }
        // Admission comes before the storage that knows of budgets.
        let webhook = workload.spec.webhook.as_ref();
        if let Some(webhook) =
            webhook.filter(|webhook| webhook.until.is_none_or(|until| self.now < later(self.start, until)))
        {
            let name = &webhook.name;
            let message = if webhook.down {
                format!(
                    "Internal error occurred: failed calling webhook \"{name}\": failed to call webhook: Post \
                     \"https://{WEBHOOK_SERVICE}.{WEBHOOK_NAMESPACE}.svc:443/?timeout=10s\": no endpoints available for \
                     service \"{WEBHOOK_SERVICE}\""
                )
            } else {
                format!("admission webhook \"{name}\" denied the request: {}", webhook.message)
            };
            return Err(Refusal::Webhook { message });
        }
        if workload.spec.put_off {
            return Err(Refusal::Throttled { after: Some(Duration::from_secs(1)) });
        }
        if let Some(message) = &workload.spec.refused {
            return Err(Refusal::Failed { code: 500, message: message.clone() });
        }
        let no_budget_asked = pod.object.deletion.is_some()
            || matches!(pod.object.phase, PodPhase::Pending | PodPhase::Succeeded | PodPhase::Failed);
        if no_budget_asked {
            return Ok(());
        }
        let mut budgets = workload.budgets.iter().copied().filter(|index| !self.budgets[*index].deleted);
        match (budgets.next(), budgets.next()) {
            (None, _) => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::TwoBudgets),
            (Some(budget), None) => {
                if self.may_leave_unhealthy(pod, budget) {
                    return Ok(());
                }
                let name = pod.object.id.name.clone();
                self.take_token(budget, name)
            }
        }
    }

    /// A pod that is not Ready may leave without a token: always, or while the budget is met.
    fn may_leave_unhealthy(&self, pod: &SimPod, budget: usize) -> bool {
        let pdb = &self.budgets[budget].object;
        !pod.object.ready
            && match pdb.unhealthy {
                UnhealthyPolicy::AlwaysAllow => true,
                UnhealthyPolicy::IfHealthyBudget => pdb.status.desired > 0 && pdb.status.current >= pdb.status.desired,
            }
    }

    /// The server itself takes one of the allowed disruptions and notes whose it is.
    fn take_token(&mut self, index: usize, pod: String) -> Result<(), Refusal> {
        let now = self.now;
        let budget = &mut self.budgets[index];
        let (name, status) = (&budget.object.id.name, &mut budget.object.status);
        let refused = |cause: String| Err(Refusal::Budget { causes: vec![cause] });
        if status.observed_generation < budget.object.generation {
            return refused(format!("The disruption budget {name} is still being processed by the server."));
        }
        if budget.disrupted.len() > MOST_DISRUPTED {
            return Err(Refusal::Forbidden {
                message: format!(
                    "poddisruptionbudgets.policy \"{name}\" is forbidden: DisruptedPods map too big - too many \
                     evictions not confirmed by PDB controller"
                ),
            });
        }
        if let Some(why) = &status.sync_failed {
            return refused(format!(
                "The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}"
            ));
        }
        if status.allowed == 0 {
            return refused(format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                status.desired, status.current
            ));
        }
        status.allowed -= 1;
        status.disrupted.insert(pod.clone(), now);
        if status.allowed == 0 {
            status.blocked_since = Some(now);
        }
        budget.disrupted.insert(pod, now);
        self.budget_changed(index);
        Ok(())
    }
}
