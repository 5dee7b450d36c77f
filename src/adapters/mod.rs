//! The outside: Kubernetes and AWS behind the traits of `ports`.

pub mod aws;
mod clock;
pub mod k8s;
mod nobody;

pub use clock::SystemClock;
pub use nobody::NobodyAsksAws;
