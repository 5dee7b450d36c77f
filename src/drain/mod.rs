//! One node's pods: what leaves, what stays and why, and which eviction may be sent now.

mod classify;
mod pace;

pub use classify::{Fate, Stays, fate, grace_for};
pub use pace::{Attempt, BUDGET_SAFETY, Hold, Ledger, Token, Turn, ignores_budgets, needs_token};
