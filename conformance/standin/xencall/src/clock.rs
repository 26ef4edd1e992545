//! `gettimeofday(2)` with a lag that can be set, and a wall clock that can be stepped.
//!
//! libxl stamps each timeout with `gettimeofday() + N s`. Where the host compares it with another clock
//! (`clock_gettime`, as Rust's std does), a lag of 9,900 ms makes a real timeout of 10 s due after 0.1 s.

use std::{
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};

/// The lag in ms. Relaxed everywhere: the number publishes nothing else.
static SKEW_MS: AtomicI64 = AtomicI64::new(0);

/// Sets the lag of [`gettimeofday`] in milliseconds; a negative one makes the clock go ahead.
pub fn set_skew_ms(ms: i64) {
    SKEW_MS.store(ms, Relaxed);
}

/// How far the wall clock was stepped forward, in ms. Relaxed everywhere: the number publishes nothing else.
static STEP_MS: AtomicI64 = AtomicI64::new(0);

/// Steps the wall clock so many milliseconds forward; negative ones are back.
pub fn step_ms(ms: i64) {
    STEP_MS.fetch_add(ms, Relaxed);
}

/// `clock_gettime(2)`, with the wall clock stepped and all other clocks as they are.
///
/// # Safety
/// `time` is valid for a write.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // Not libc's function, whose name is this one's.
    // SAFETY: the kernel writes one timespec.
    if unsafe { libc::syscall(libc::SYS_clock_gettime, clock, now.as_mut_ptr()) } != 0 {
        return -1;
    }
    // SAFETY: success says that it was written.
    let mut now = unsafe { now.assume_init() };
    if matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE) {
        let millis = STEP_MS.load(Relaxed);
        let nanos = now.tv_nsec + millis.rem_euclid(1_000) * 1_000_000;
        now.tv_sec += millis.div_euclid(1_000) + nanos / 1_000_000_000;
        now.tv_nsec = nanos % 1_000_000_000;
    }
    // SAFETY: by the caller's promise.
    unsafe { time.write(now) };
    0
}

/// The wall clock less the lag; the time zone is zero.
///
/// # Safety
/// Each pointer is null or valid for a write of its struct.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, zone: *mut c_void) -> c_int {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` outlives the call. CLOCK_REALTIME cannot fail.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    let micros =
        (now.tv_sec * 1_000_000 + now.tv_nsec / 1_000).saturating_sub(SKEW_MS.load(Relaxed).saturating_mul(1_000));
    if !time.is_null() {
        let seconds = micros.div_euclid(1_000_000);
        let rest = micros.rem_euclid(1_000_000);
        // SAFETY: not null, so valid for the write.
        unsafe { time.write(libc::timeval { tv_sec: seconds, tv_usec: rest }) };
    }
    if !zone.is_null() {
        // SAFETY: not null, so valid for a struct timezone: two ints.
        unsafe { ptr::write_bytes(zone.cast::<c_int>(), 0, 2) };
    }
    0
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, PoisonError},
        time::{SystemTime, UNIX_EPOCH},
    };

    use super::*;

    /// Each test has the clock for itself.
    static CLOCK: Mutex<()> = Mutex::new(());

    #[test]
    fn the_clock_lags_by_the_skew_and_keeps_its_fields_in_range() {
        let _alone = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        for skew in [0, 9_900, -9_900, 1] {
            set_skew_ms(skew);
            let mut time = libc::timeval { tv_sec: -1, tv_usec: -1 };
            let mut zone = [7, 7];
            // SAFETY: both are locals of the right size.
            assert_eq!(unsafe { gettimeofday(&mut time, zone.as_mut_ptr().cast()) }, 0);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
            let lag = now - (time.tv_sec * 1_000 + time.tv_usec / 1_000);
            assert!((skew..skew + 1_000).contains(&lag), "skew {skew}, lag {lag}");
            assert!((0..1_000_000).contains(&time.tv_usec));
            assert_eq!(zone, [0, 0]);
        }
    }
    #[test]
    fn a_step_moves_the_wall_clock_alone() {
        let _alone = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |clock| {
            let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: a local of the right size.
            assert_eq!(unsafe { clock_gettime(clock, &mut now) }, 0);
            assert!((0..1_000_000_000).contains(&now.tv_nsec));
            now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
        };
        for step in [3_600_999, -7_200_001, 3_599_002] {
            let before = (read(libc::CLOCK_REALTIME), read(libc::CLOCK_MONOTONIC));
            step_ms(step);
            let after = (read(libc::CLOCK_REALTIME), read(libc::CLOCK_MONOTONIC));
            assert!((step..step + 1_000).contains(&(after.0 - before.0)), "{step}: {before:?}, {after:?}");
            assert!((0..1_000).contains(&(after.1 - before.1)), "{step}: {before:?}, {after:?}");
        }
        // SAFETY: the kernel knows no such clock, so nothing is written.
        assert_eq!(unsafe { clock_gettime(-1, ptr::null_mut()) }, -1);
    }
}
