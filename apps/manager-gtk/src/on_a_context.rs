//! For tests: a main context of their own, on which nothing goes on for ever.

use futures_lite::future::or;
use gtk::glib;
use std::time::Duration;

/// For a test to end: the machine may be busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Runs `test` to its end, and panics where it has none.
pub(crate) fn on_a_context<T>(test: impl Future<Output = T>) -> T {
    let context = glib::MainContext::new();
    let limited = or(async { Some(test.await) }, async {
        glib::timeout_future(LIMIT).await;
        None
    });
    let ended =
        context.with_thread_default(|| context.block_on(limited)).expect("nobody else has a context that is new");
    ended.expect("it ends")
}

/// Returns when it is so, at a turn of the context.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        glib::timeout_future(Duration::ZERO).await;
    }
}
