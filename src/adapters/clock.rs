//! The wall clock.

use std::time::Duration;

use jiff::Timestamp;

use crate::ports::Clock;

/// Longer sleeps are cut into such pieces, so that a machine that was suspended wakes up to the right time.
const PIECE: Duration = Duration::from_mins(1);

/// Time as the machine has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        while let Ok(left) = Duration::try_from(moment.duration_since(Timestamp::now())) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(PIECE)).await;
        }
    }
}
