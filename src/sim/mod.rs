//! A simulated world: a Kubernetes cluster and an Auto Scaling group in virtual time, synchronous at heart.
//!
//! It plays the parts that are not ours (scheduler, controllers, kubelets, disruption controller, Auto Scaling) and
//! knows nothing of the rules of a rollout, so that it can be used to test them.

pub mod asg;
mod rng;
pub mod spec;
mod world;

pub use rng::Rng;
pub use spec::WorldSpec;
pub use world::{Act, Actor, Cordon, Facts, Killed, Loss, Observer, Termination, Uncordon, Violation, World};
