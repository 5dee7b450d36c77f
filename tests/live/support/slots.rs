//! How many control planes are up at a time: libtest would start as many as the machine has cores, or more.

use std::sync::{Condvar, Mutex, PoisonError};

/// A control plane and a group of a dozen nodes keep about one core busy.
const SLOTS: usize = 2;

static FREE: Mutex<usize> = Mutex::new(SLOTS);
static CHANGED: Condvar = Condvar::new();

/// The right to have a bed; the next one gets it when this is dropped.
pub struct Slot(());

impl Slot {
    /// Waits for one.
    pub fn wait() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = CHANGED.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        CHANGED.notify_one();
    }
}
