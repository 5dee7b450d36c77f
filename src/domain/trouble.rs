//! What is the matter with a pod that is not Ready, as its status tells it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is the matter with a pod. As text it is one line for people: `CrashLoopBackOff, exit 137 OOMKilled, 9 restarts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Why it has no node.
    #[serde(default)]
    pub unscheduled: Option<Unscheduled>,
    /// Its containers, those that come first by their place in the spec.
    #[serde(default)]
    pub containers: Vec<Container>,
    /// `status.message`: the kubelet's or the node controller's own words about the whole pod.
    #[serde(default)]
    pub message: Option<String>,
    /// What the condition Ready says.
    #[serde(default)]
    pub not_ready: Option<String>,
    /// `spec.schedulingGates`, by name.
    #[serde(default)]
    pub gates: Vec<String>,
}

/// What the scheduler says of a pod that it has not placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unscheduled {
    /// `Unschedulable`, `SchedulingGated`.
    pub reason: String,
    /// `0/3 nodes are available: 3 Insufficient cpu.`
    pub message: Option<String>,
}

/// A container of such a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image, as the pod asks for it.
    pub image: String,
    /// Whether it runs before the others and ends.
    pub init: bool,
    /// What it does now.
    pub state: ContainerState,
    /// How it ended before that.
    pub ended_before: Option<Exit>,
    /// How often the kubelet has started it again.
    pub restarts: i32,
    /// Whether it is Ready.
    pub ready: bool,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerState {
    /// It does not run.
    Waiting {
        /// The kubelet's word for it: `CrashLoopBackOff`, `ImagePullBackOff`, `ContainerCreating`.
        reason: String,
        /// And its sentence.
        message: Option<String>,
    },
    /// It runs.
    Running,
    /// It has ended.
    Ended(Exit),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code.
    pub code: i32,
    /// `OOMKilled`, `Error`.
    pub reason: Option<String>,
    /// What it left in its termination message.
    pub message: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

impl Trouble {
    /// The container that explains most: a crash more than a start that takes its time, and an init container before
    /// those that only wait for it.
    #[must_use]
    pub fn worst(&self) -> Option<&Container> {
        let troubled = self.containers.iter().filter_map(|container| Some((container.rank()?, container)));
        troubled.min_by_key(|(rank, _)| *rank).map(|(_, container)| container)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Unscheduled { reason, message }) = &self.unscheduled {
            return match message.as_deref() {
                None | Some("") => f.write_str(reason),
                Some(message) => write!(f, "{reason}: {message}"),
            };
        }
        if let Some(container) = self.worst() {
            return container.fmt(f);
        }
        let ended = self.has_ended().then_some("its containers have ended");
        f.write_str(self.message.as_deref().or(self.not_ready.as_deref()).or(ended).unwrap_or_default())
    }
}

impl Container {
    /// How much it explains, the most first; none where nothing is the matter with it.
    fn rank(&self) -> Option<u8> {
        match &self.state {
            ContainerState::Waiting { reason, .. } if is_start(reason) => Some(3),
            ContainerState::Waiting { .. } => Some(0),
            ContainerState::Ended(exit) => (exit.code != 0).then_some(1),
            ContainerState::Running => (!self.ready).then_some(2),
        }
    }

    /// How it ended last, be it now or before it was started again.
    #[must_use]
    pub fn last_exit(&self) -> Option<&Exit> {
        match &self.state {
            ContainerState::Ended(exit) => Some(exit),
            ContainerState::Waiting { .. } | ContainerState::Running => self.ended_before.as_ref(),
        }
    }

    /// Whether it ends again and again.
    #[must_use]
    pub fn crashes(&self) -> bool {
        match &self.state {
            ContainerState::Waiting { reason, .. } => reason == "CrashLoopBackOff",
            ContainerState::Ended(exit) => exit.code != 0 && self.restarts > 0,
            // Between two crashes it runs for a moment; one restart may have been the last.
            ContainerState::Running => {
                !self.ready && self.restarts > 1 && self.ended_before.as_ref().is_some_and(|exit| exit.code != 0)
            }
        }
    }

    /// What lacks that its spec names, in the kubelet's words: a Secret, a ConfigMap, a key in one.
    #[must_use]
    pub fn lacks_config(&self) -> Option<&str> {
        match &self.state {
            ContainerState::Waiting { reason, message } if reason == "CreateContainerConfigError" => {
                Some(message.as_deref().unwrap_or(reason))
            }
            ContainerState::Waiting { .. } | ContainerState::Running | ContainerState::Ended(_) => None,
        }
    }

    /// Why its image is not there, in the kubelet's words.
    #[must_use]
    pub fn lacks_image(&self) -> Option<(&str, Option<&str>)> {
        match &self.state {
            ContainerState::Waiting { reason, message } if is_pull(reason) => Some((reason, message.as_deref())),
            ContainerState::Waiting { .. } | ContainerState::Running | ContainerState::Ended(_) => None,
        }
    }
}

impl Trouble {
    /// Whether none of its containers runs any more or will, as far as the kubelet has said.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !self.containers.is_empty() && self.ends().count() == self.containers.len()
    }

    /// When the last of those that have ended did.
    #[must_use]
    pub fn last_end(&self) -> Option<Timestamp> {
        self.ends().filter_map(|exit| exit.at).max()
    }

    fn ends(&self) -> impl Iterator<Item = &Exit> {
        self.containers.iter().filter_map(|container| match &container.state {
            ContainerState::Ended(exit) => Some(exit),
            ContainerState::Waiting { .. } | ContainerState::Running => None,
        })
    }

    /// The readiness gate that is shut, as the kubelet names it in condition Ready (`pkg/kubelet/status`,
    /// `GeneratePodReadyCondition`).
    #[must_use]
    pub fn shut_gate(&self) -> Option<&str> {
        let (_, rest) = self.not_ready.as_deref()?.split_once("readiness gate \"")?;
        rest.split('"').next()
    }
}

fn is_start(reason: &str) -> bool {
    matches!(reason, "ContainerCreating" | "PodInitializing")
}

fn is_pull(reason: &str) -> bool {
    reason.contains("Image")
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match &self.state {
            ContainerState::Waiting { reason, .. } => {
                parts.push(reason.clone());
                if is_pull(reason) {
                    parts.push(self.image.clone());
                }
                parts.extend(self.ended_before.as_ref().map(ToString::to_string));
            }
            ContainerState::Ended(exit) => parts.push(exit.to_string()),
            ContainerState::Running => {
                parts.push(format!("container {} runs and is not Ready", self.name));
                parts.extend(self.ended_before.as_ref().map(ToString::to_string));
            }
        }
        if self.restarts > 0 {
            let times = if self.restarts == 1 { "restart" } else { "restarts" };
            parts.push(format!("{} {times}", self.restarts));
        }
        parts.retain(|part| !part.is_empty());
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Exit {
    /// `exit 137 OOMKilled`; the reason `Error` says nothing that the code does not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_deref() {
            None | Some("" | "Error" | "Completed") => write!(f, "exit {}", self.code),
            Some(reason) => write!(f, "exit {} {reason}", self.code),
        }
    }
}
