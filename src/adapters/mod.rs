//! The outside: Kubernetes and AWS behind the traits of `ports`.

pub mod k8s;
