//! The clock of the state: it never goes back, whatever the wall clock of the server does.
//!
//! Ages are differences of its times. It starts with the wall clock, or after everything that the state holds where the
//! wall clock is behind that, and then counts what passes. What is shown to people is what the wall clock says now, less
//! the age: a server that started in 2000 and was set to 2026 shows what happened five minutes ago as such.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // the door to the clocks

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::boot::happening::Time;
use crate::boot::state::SAME_FETCH;

/// A clock that does not go back.
#[derive(Debug)]
pub struct Clock {
    base: Time,
    started: Instant,
}

/// How long a server may be away, in milliseconds: 90 days.
const LONGEST_AWAY: Time = 90 * 86_400_000;
/// How far clocks that go alike may be from each other, in milliseconds.
const ALIKE: Time = 2000;

/// The time of the wall clock, in milliseconds since 1970.
pub fn wall() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Clock {
    /// Starts a clock; `newest` is the latest time that the state holds.
    pub fn starting(newest: Time) -> Self {
        Self::at(wall(), newest)
    }

    fn at(wall: Time, newest: Time) -> Self {
        // How long the server was away is not known then, but it was not the same fetch of a kickstart.
        // Neither is it if the wall clock is years ahead, unless the state is new: then one of both times is wrong.
        let is_plausible = wall > newest && (newest == 0 || wall - newest < LONGEST_AWAY);
        let base = if is_plausible { wall } else { newest + SAME_FETCH + 1 };
        Self { base, started: Instant::now() }
    }

    /// Now, by this clock.
    pub fn now(&self) -> Time {
        self.base + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    /// A time of this clock as the wall clock would have it; 0 stays 0, which is never.
    pub fn shown(&self, time: Time) -> Time {
        let (wall, now) = (wall(), self.now());
        // Both clocks go alike as long as nobody sets one of them.
        if time == 0 || wall.abs_diff(now) < ALIKE { time } else { wall.saturating_sub(now.saturating_sub(time)) }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::boot::state::SAME_FETCH;

    #[test]
    fn it_starts_after_all_that_is_known() {
        assert!(Clock::at(5000, 1000).now() >= 5000);
        assert!(Clock::at(5000, 9000).now() > 9000 + SAME_FETCH);
        let years = 26 * 365 * 86_400_000;
        assert!(
            Clock::at(years, 1000).now() < 1000 + 2 * SAME_FETCH,
            "a clock that was wrong when the state was written"
        );
        assert!(Clock::at(years, 0).now() >= years);
    }
}
