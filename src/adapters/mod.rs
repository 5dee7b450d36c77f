//! The outside: Kubernetes and AWS behind the traits of `ports`.

pub mod aws;
mod clock;
pub mod k8s;

pub use clock::SystemClock;
