//! The machines' time and randomness, taken from the system.

use types::{Rng, Time};

/// Maps tokio's clock onto [`Time`], from 0 at its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(tokio::time::Instant);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(tokio::time::Instant::now())
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.0.elapsed()
    }

    /// Never returns for [`Time::NEVER`].
    #[cfg(any(feature = "tracker-client", feature = "lsd", feature = "dht"))]
    pub(crate) async fn sleep_until(&self, at: Time) {
        if at == Time::NEVER {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(self.0 + at.since(Time::ZERO)).await;
    }
}

/// A generator seeded from the system's entropy.
pub(crate) fn system_rng() -> Result<Rng, getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Rng::from_seed(seed))
}
