//! What both server roles need from the machine they run on.

use crate::Timestamp;

/// Tells the time. A test hands in its own.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Draws random bytes from a cryptographically secure source. A test hands in its own.
pub trait Randomness: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}
