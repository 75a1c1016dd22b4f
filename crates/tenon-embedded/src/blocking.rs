//! Running what blocks on the disk away from the async workers.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The work panicked; the message was printed by the panic hook.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs `work` on the runtime's blocking threads, or here when there is no runtime (tests, tools).
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Panicked> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(|_| Panicked),
        Err(_) => catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked),
    }
}
