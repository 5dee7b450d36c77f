//! A simulated world: a Kubernetes cluster and an Auto Scaling group in virtual time, synchronous at heart.
//!
//! It plays the parts that are not ours (scheduler, controllers, kubelets, disruption controller, Auto Scaling) and
//! knows nothing of the rules of a rollout, so that it can be used to test them.

pub mod asg;
mod rng;

pub use rng::Rng;
