//! How shared state is guarded.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The guarded value. A handler that panicked held nothing half-written that a simulation could not live with.
pub(crate) fn locked<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}
