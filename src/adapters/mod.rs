//! The outside: Kubernetes and AWS behind the traits of `ports`.

pub mod aws;
pub mod k8s;
