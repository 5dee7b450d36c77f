//! What the client does: one effect, one answer.

use super::{
    Actor, Termination, World,
    state::{NodeKey, PodKey},
};
use crate::{
    domain::{EXCLUDE_FROM_LOAD_BALANCERS, InstanceId, NodeName, NodePatch, PENDING_TAINT, PodRef, Process},
    ports::{CloudAct, Effect, KubeAct, Outcome, Refusal},
    sim::asg::AsgError,
};

/// What becomes of one request on the wire.
enum Wire {
    Works,
    LosesReply,
    LosesRequest,
    Refuses(Refusal),
}

impl World {
    /// Does what the client asks, now.
    pub fn apply(&mut self, effect: &Effect) -> Outcome {
        self.facts.requests += 1;
        match self.wire(matches!(effect, Effect::Cloud(_))) {
            Wire::Works => self.perform(effect),
            Wire::LosesReply => {
                self.perform(effect);
                Outcome::Unknown("connection reset by peer".to_owned())
            }
            Wire::LosesRequest => Outcome::Unknown("connection timed out".to_owned()),
            Wire::Refuses(refusal) => Outcome::Refused(refusal),
        }
    }

    /// The next effect is done, though no answer comes.
    pub fn lose_next_reply(&mut self) {
        self.lose_next_reply = true;
    }

    fn wire(&mut self, cloud: bool) -> Wire {
        if std::mem::take(&mut self.lose_next_reply) {
            return Wire::LosesReply;
        }
        let replies = self.spec.replies;
        if replies == crate::sim::spec::Replies::default() {
            return Wire::Works;
        }
        let drawn = self.wire.between(0, 99);
        let lost = replies.lost;
        let lost_request = lost + replies.lost_requests;
        let throttled = lost_request + replies.throttled;
        if drawn < lost {
            Wire::LosesReply
        } else if drawn < lost_request {
            Wire::LosesRequest
        } else if drawn < throttled {
            Wire::Refuses(Refusal::Throttled { after: Some(std::time::Duration::from_secs(1)) })
        } else if drawn < throttled + replies.failed {
            let message = if cloud { "Service Unavailable" } else { "etcdserver: request timed out" };
            let code = if cloud { 503 } else { 500 };
            Wire::Refuses(Refusal::Failed { code, message: message.to_owned() })
        } else {
            Wire::Works
        }
    }

    fn perform(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::Kube(KubeAct::SaveIntent(intent)) => {
                self.intent = Some((**intent).clone());
                Outcome::Done
            }
            Effect::Kube(KubeAct::ForgetIntent) => {
                self.intent = None;
                Outcome::Done
            }
            Effect::Kube(KubeAct::PatchNode(node, patch)) => self.patch_node(node, patch),
            Effect::Kube(KubeAct::Evict { pod, grace }) => self.evict(pod, *grace),
            Effect::Kube(KubeAct::DeletePod { pod, grace }) => self.delete_pod(pod, *grace),
            Effect::Cloud(act) => self.cloud(act),
        }
    }

    fn patch_node(&mut self, name: &NodeName, patch: &NodePatch) -> Outcome {
        let Some(key) = self.node_names.get(name).copied() else { return Outcome::Refused(Refusal::Gone) };
        let Some(node) = self.nodes.get_mut(&key) else { return Outcome::Refused(Refusal::Gone) };
        if !node.in_group {
            self.facts.foreign.push(format!("node/{name} patched"));
        }
        let object = &mut node.object;
        match patch.excluded {
            Some(true) => {
                object.labels.insert(EXCLUDE_FROM_LOAD_BALANCERS.to_owned(), "true".to_owned());
            }
            Some(false) => {
                object.labels.remove(EXCLUDE_FROM_LOAD_BALANCERS);
            }
            None => {}
        }
        if let Some(tainted) = patch.pending_taint {
            let taint = PENDING_TAINT.taint();
            object.taints.retain(|known| known.key != taint.key);
            if tainted {
                object.taints.push(taint);
            } else {
                self.to_schedule = true;
            }
        }
        if let Some(shielded) = patch.shielded {
            object.shielded = shielded;
        }
        for mark in &patch.marks {
            let (annotation, value) = mark.annotation();
            object.marks.0.insert(annotation.to_owned(), value);
        }
        for annotation in &patch.unmark {
            object.marks.0.remove(annotation);
        }
        if let Some(unschedulable) = patch.unschedulable {
            self.set_unschedulable(key, unschedulable, Actor::Client);
        }
        self.node_changed(key);
        self.settle();
        Outcome::Done
    }

    fn cloud(&mut self, act: &CloudAct) -> Outcome {
        if let Some(operator) = self.asg.config().operator.clone() {
            return refused(&AsgError::Operator(operator));
        }
        let now = self.now;
        let result = match act {
            CloudAct::Terminate { instance, decrement } => {
                let leaves = self.asg.instance(instance).is_some_and(|instance| instance.state.is_leaving());
                let answer = self.terminate(instance, *decrement, Actor::Client);
                // The activity that is answered with says nothing of a capacity that shrinks.
                if *decrement && leaves && answer.is_ok() {
                    return Outcome::Refused(Refusal::Gone);
                }
                answer
            }
            CloudAct::SetSize { desired, max } => {
                // The size of a managed group goes through EKS, which does one thing at a time.
                let status = self.spec.group.nodegroup.as_ref().map(|nodegroup| nodegroup.status.as_str());
                if status == Some("UPDATING") {
                    let message = "Nodegroup cannot be updated as it is currently not in Active State".to_owned();
                    return Outcome::Refused(Refusal::Failed { code: 409, message });
                }
                let there = self.asg.size();
                let moved = desired.is_some_and(|step| step.from != there.desired)
                    || max.is_some_and(|step| step.from != there.max)
                    || desired.is_none() && max.is_some_and(|step| step.to < there.desired);
                if moved {
                    let message = "its sizes were moved by somebody else".to_owned();
                    return Outcome::Refused(Refusal::Conflict { message });
                }
                self.asg.update_size(None, max.map(|step| step.to), desired.map(|step| step.to), now)
            }
            CloudAct::SuspendAzRebalance => {
                self.asg.suspend(&[Process::AzRebalance], now);
                Ok(())
            }
            CloudAct::ResumeAzRebalance => {
                self.asg.resume(&[Process::AzRebalance], now);
                Ok(())
            }
        };
        self.settle();
        match result {
            Ok(()) => Outcome::Done,
            Err(error) => refused(&error),
        }
    }

    pub(super) fn terminate(&mut self, id: &InstanceId, decrement: bool, by: Actor) -> Result<(), AsgError> {
        let repeated = self.asg.instance(id).is_some_and(|instance| instance.state.is_leaving());
        let left = self.node_of_instance.get(id).map(|node| self.left_on(*node)).unwrap_or_default();
        let index = self.facts.terminations.len();
        let instance = id.clone();
        self.facts.terminations.push(Termination {
            at: self.now,
            instance,
            by,
            decrement,
            repeated,
            accepted: false,
            left,
        });
        let result = self.asg.terminate(id, decrement, self.now);
        if let Some(termination) = self.facts.terminations.get_mut(index) {
            termination.accepted = result.is_ok();
        }
        result.map(|_| ())
    }

    /// Pods on this node that still had to leave: no DaemonSet's, not finished, not ended.
    fn left_on(&self, node: NodeKey) -> Vec<(PodRef, jiff::Timestamp)> {
        let pods = self.nodes.get(&node).into_iter().flat_map(|node| &node.pods);
        let pods = pods.filter_map(|key| self.pods.get(key)).filter(|pod| pod.must_leave() && !pod.stopped);
        pods.map(|pod| (pod.object.id.clone(), pod.object.created_at)).collect()
    }

    pub(super) fn note_foreign_pod(&mut self, key: PodKey, done: &str) {
        let Some(pod) = self.pods.get(&key) else { return };
        let node = pod.node.and_then(|node| self.nodes.get(&node));
        if node.is_some_and(|node| !node.in_group) {
            self.facts.foreign.push(format!("{} {done}", pod.object.id));
        }
    }
}

fn refused(error: &AsgError) -> Outcome {
    let message = error.to_string();
    Outcome::Refused(match error {
        AsgError::UnknownInstance(_) => Refusal::Gone,
        AsgError::Operator(_) => Refusal::Forbidden { message },
        AsgError::WouldViolateMinSize(_)
        | AsgError::WrongState(..)
        | AsgError::AboveMax(..)
        | AsgError::BelowMin(..)
        | AsgError::DesiredOutOfBounds { .. }
        | AsgError::MaxBelowMin { .. }
        | AsgError::NoLifecycleAction(..)
        | AsgError::NoInstanceRefresh(_)
        | AsgError::UnknownProcess(_) => Refusal::Failed { code: error.http_status(), message },
    })
}
