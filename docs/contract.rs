// Made of contract.md by `UPDATE_DOCS=1 ./x test --only published`.

//! The clauses of the contract: what Xen's libxl expects from a program that hosts its events, and what this program may
//! rely on. This module only exists in the documentation, so that it can link to the clauses.
//!
//! - *Client*: the hosted library, here one `libxl_ctx`. *Loop*: the event loop of the program. *Host*: that program.
//! - *Hook*: one of the six functions of `libxl_osevent_hooks`, which the client calls.
//! - *Occurrence*: a call of `libxl_osevent_occurred_fd` or `libxl_osevent_occurred_timeout`.
//! - *Client call*: any call into libxl on that ctx. Occurrences are client calls.
//! - *Nexus*: the small struct whose address libxl passes as `for_libxl`.
//!
//! Sources are files of Xen's tree: below `tools/libxl` up to 4.14, `tools/libs/light` from 4.15 on (headers in
//! `tools/include`). **H** is `libxl_event.h`, **C** is `libxl_event.c`. Hashes are upstream commits. **(obs.)** means
//! observed on Debian's libxl 4.17.7, unless another release is named. The sources of 4.2.0 to 4.22.0 were read. A release that
//! is named in a row is the first or the last one with the behaviour.

/// Hooks are called on every thread that makes client calls, also on the loop's own thread inside an occurrence. During a hook its caller holds the ctx lock, a recursive pthread mutex, often several levels deep. libxl starts no thread of its own that calls hooks.
///
/// Source: H; C `OSEVENT_HOOK_INTERN`
pub const R1: () = ();

/// The value at `for_app_registration_out` is undefined on entry, although H promises NULL. From 4.2.2 on a recycled nexus still has the value of its last registration (obs.); before that, the old content of the ev struct is there. So the hook must only write it. libxl passes the stored value unchanged to modify and deregister. `fd_modify` may overwrite it, and libxl keeps the new value even if that call fails.
///
/// Source: C `osevent_hook_pre_alloc`; obs.
pub const R2: () = ();

/// `fd_register`, `timeout_register` and `fd_modify` may fail. A failing hook changes nothing and returns `ERROR_OSEVENT_REG_FAIL` (-12) or any positive int. libxl treats every nonzero result as failure, so another negative number would look like an error of libxl itself. Usually the number becomes the result of the operation (obs.: 77, also through the callback). There are exceptions: QMP (4.12 on), and a fork, which registers the SIGCHLD pipe anew (obs.), ignore a failing `fd_modify`. A failing `timeout_modify` is always ignored (the old deadline remains). Deregistration has no result. One failure makes an operation hang: [S6].
///
/// Source: H; C; libxl_qmp.c `qmp_ev_ensure_reading_writing`; libxl_fork.c `libxl__sigchld_needed`; obs.
pub const R3: () = ();

/// One fd may have several registrations at the same time, each with its own interest. According to H each asks for at least one bit that the others of the same fd do not ask for. Readiness that matches several registrations may be reported to any non-empty subset of them. Bits that only an ended registration asked for, or that a registration no longer asks for, must not wake the loop: it would spin.
///
/// Source: H
pub const R4: () = ();

/// An empty interest is valid when registering and when modifying. The registration remains and makes no occurrences, not even for POLLERR and POLLHUP. epoll always reports those two, so a level-triggered loop that keeps such an fd in its set spins. libxl 4.4 does this to its SIGCHLD pipe when no child is left. An `fd_modify` that changes nothing is also normal.
///
/// Source: H; libxl_fork.c 4.4.0
pub const R5: () = ();

/// Interest uses poll(2)'s bits: POLLIN, POLLPRI, POLLOUT. POLLERR, POLLHUP and POLLNVAL are implied by any non-empty interest. The save helper's pipe is watched for POLLIN|POLLPRI (obs.): "readable" and "writable" alone are not enough.
///
/// Source: C; libxl_save_callout.c; obs.
pub const R6: () = ();

/// Everything that poll(2) accepts may be registered. So regular files and `/dev/null` are valid, and always ready. Saving a domain to a file waits for POLLOUT on a regular file, and one of libxl's own tests waits on `/dev/null`. `epoll_ctl` rejects both with EPERM.
///
/// Source: libxl_aoutils.c; test_fdderegrace.c
pub const R7: () = ();

/// After `fd_deregister` has returned, the client may close the fd immediately. The fd number can refer to a different file, and can be registered again, before the next iteration of the loop (obs.). The fd can also remain open and ready, as the xenstore fd does from 4.5 on ([X2]).
///
/// Source: C; obs.
pub const R8: () = ();

/// The loop may be asleep when something is registered. The registration must then take part in that sleep or end it, because no other event will. The same applies to a modification that adds interest or makes a timeout due. libxl's term for this is the "unstale liveness property".
///
/// Source: C, first comment (4.14 on)
pub const R9: () = ();

/// `for_libxl` does not identify a registration: nexuses are pooled, so values are reused (obs.).
///
/// Source: C; obs.
pub const R10: () = ();

/// A timeout is an absolute `struct timeval` of gettimeofday(2)'s clock. `{0,0}`, or a time in the past, is due immediately, but not inside the hook ([O1]). A time in the distant future must not overflow. Timeouts without an end are not passed to a hook.
///
/// Source: H; C
pub const R11: () = ();

/// No timeout may occur early. It may be late by the slack of a timer plus the latency of the loop. libxl does not check the clock, so an early occurrence causes an early `ERROR_TIMEDOUT`. If the wall clock is set while a timeout is pending, the timeout must not be lost and the loop must not spin.
///
/// Source: C `libxl_osevent_occurred_timeout`
pub const R12: () = ();

/// From 4.2.2 on `timeout_modify` is only called with `{0,0}`, and `timeout_deregister` is not called. With 4.2.0 and 4.2.1 it is the reverse: `timeout_deregister` is called, and `timeout_modify` never. 4.2.0 passes the address of the stored value instead of the value (d2f82025b9; f5f20508d2 on the 4.2 branch, in 4.2.1). That address is the out pointer of `timeout_register`, so a host can recognise it without reading through it.
///
/// Source: H; C
pub const R13: () = ();

/// `timeout_modify` may be called for a timeout that the loop has already taken, may be called inside the occurrence of that timeout, and may be called twice. 4.2.2 to 4.3: after each expiry whose callback deregisters (15347ebb35 stopped this in 4.4 and was not backported). 4.6 on: after an abort, `time_aborted` and then the callback call it (obs.). Blocking calls send `{0,0}` for timeouts that libxl's own poll loop serves. In 4.2.0 and 4.2.1 `timeout_deregister` is called inside the occurrence in the same way. The hook returns 0 and makes no further occurrence ([O5]). A handle that becomes invalid when the loop takes the timeout is a use after free.
///
/// Source: C; obs.
pub const R14: () = ();

/// A hook must not wait for an occurrence in progress, for the thread of the loop, or for any lock that is held across a client call. All of those may wait for the ctx lock, which the caller of the hook holds. So `fd_deregister` cannot drain occurrences, and cannot ask a thread-bound loop and wait for its answer. A hook must not call libxl on that ctx, must not fork, and must not leave by unwinding or longjmp (`osevent_in_hook` would never be decremented). Code in a hook runs while libxl changes its lists: a watch that was enabled there was missing from them afterwards (obs., 4.17: `remove watch for path @releaseDomain: Invalid argument` at the next deregistration, later an abort). The logger is also called under the lock.
///
/// Source: C `OSEVENT_HOOK_INTERN`; obs.
pub const R15: () = ();

/// `fd_deregister` can be called during an occurrence of the same fd: for the SIGCHLD pipe when its last child is reaped (obs.), for the xenstore fd with its last watch. The fd number and `for_libxl` can both be registered again before that occurrence returns.
///
/// Source: C; obs.
pub const R16: () = ();

/// No occurrence may be made inside a hook: an assertion ends the process.
///
/// Source: H; C
pub const O1: () = ();

/// Either (a) no lock that a hook takes is held across any client call, or (b) one outer lock is held across *all* client calls of the program. A mixture deadlocks.
///
/// Source: H "Lock hierarchy"
pub const O2: () = ();

/// From 4.2.2 on an fd occurrence may arrive at any time after its deregistration, as long as the ctx exists. In 4.2.0 and 4.2.1 the pointer is freed memory by then (they also assert that the fd is the registered one), so only (b) of [O2] is safe there.
///
/// Source: bc7e8a2a81, 5f5ef65bab; 4.2 branch: a87ef89729, 6f0f339dd4
pub const O3: () = ();

/// From 4.2.2 on libxl polls the fd again and ignores `events` and `revents`: a spurious occurrence does no harm. 4.2.0 and 4.2.1 trust `revents` and mask it with the interest alone. There a POLLHUP or POLLERR without other bits is dropped and a level-triggered loop spins; the host must add the interest's bits to an error, hang-up or invalid fd. They also read an fd whose reported readiness is no longer true, and the save helper's reader then blocks for ever, under the ctx lock. Another thread can have read the fd while an occurrence waited for the outer lock of [O2], so the host must check the fd again after it has taken this lock.
///
/// Source: C `libxl_osevent_occurred_fd` 4.2.0, 4.2.2; 56d2350bf5
pub const O4: () = ();

/// From 4.2.2 on each timeout registration occurs **exactly once**, also after a `{0,0}` modification: this is how libxl gets its nexus back. A second occurrence corrupts its free list; a missing one is a hang or a leak. In 4.2.0 and 4.2.1: at most once, and not after `timeout_deregister`.
///
/// Source: C `libxl_osevent_occurred_timeout`
pub const O5: () = ();

/// The occurrence of a timeout ends its registration. libxl may register the next one inside it.
///
/// Source: H
pub const O6: () = ();

/// Due timeouts occur by deadline, earliest first (`libxl_test_timedereg.c` depends on it). Timeouts with equal deadlines may occur in any order; this project keeps the order of registration.
///
/// Source: C `LIBXL_TAILQ_INSERT_SORTED`
pub const O7: () = ();

/// Occurrences may run on any thread while hooks run on others, and may wait a long time for the ctx lock. The loop's own state has to remain consistent throughout.
///
/// Source: H
pub const O8: () = ();

/// An fd that is always ready must leave time for other fds, for timeouts, and for the host's own sources.
///
/// Source: a host's expectation
pub const O9: () = ();

/// Readiness is level-triggered: while an fd remains ready, it occurs again. Data that the client did not read is not lost.
///
/// Source: C
pub const O10: () = ();

/// The fd that is passed back is the number that libxl registered. Any other number, a duplicate for instance, is silently ignored, and the loop spins; 4.2.0 and 4.2.1 assert.
///
/// Source: C `libxl_osevent_occurred_fd`
pub const O11: () = ();

/// One occurrence can hold the ctx lock for seconds: domains are built inside occurrences, and xenstore round trips and reads from the save helper happen there. Starting an operation can take as long, even with an ao_how: `libxl_domain_create_new` builds a PV domain before it returns (obs.).
///
/// Source: libxl_create.c; libxl_save_callout.c; obs.
pub const O12: () = ();

/// libxl keeps pointers to the osevent, event and childproc hooks structs, to their user data and to the logger: all of them must outlive the ctx. `libxl_asyncop_how` is copied. `libxl_ctx_alloc` registers nothing. `libxl_osevent_register_hooks` comes next, before `libxl_childproc_setmode`, whose "always" modes register a pipe at once. 4.5 and later assert that nothing is registered yet (obs.); earlier releases silently accept late hooks. A second call is not detected (obs.).
///
/// Source: H; C; 60ce518a1b; obs.
pub const X1: () = ();

/// `libxl_ctx_free` calls `fd_deregister` on the calling thread, and no other hook. It does so for the xenstore fd (up to 4.4 always, from 4.5 on while a watch or evgen exists) and for the SIGCHLD pipe (4.4: in each mode in which libxl handles SIGCHLD, if there has been a child, with interest 0; 4.5 on: in the "always" modes). A host that first waits until all registrations have ended waits for ever.
///
/// Source: libxl.c; 77a1bf3779, 4b9143e4a4, 2ffeb5d7f5; obs.
pub const X2: () = ();

/// `libxl_ctx_free` asserts that there is no timeout and no watch (all releases), no child (4.5 on; obs.), no wait for an event channel (4.5 on), and no operation in progress (4.6 on; earlier releases silently leave the operation dangling). An operation has ended when its callback has run *and* the client call that ran it has returned. `ERROR_NOTFOUND` from `libxl_ao_abort` does not prove this: from 4.13 on an operation that waits for a killed child is not in the list and still exists.
///
/// Source: libxl.c; C; 4abbac194f
pub const X3: () = ();

/// When `libxl_ctx_free` starts, no client call may be in progress on any thread, and none may begin later. This includes occurrences, starts, aborts, evdisable and `libxl_childproc_*`. A late call aborts the process in `libxl__ctx_lock` (obs.). Up to 4.5 `libxl_ctx_free` does not take the lock at all.
///
/// Source: libxl.c; obs.
pub const X4: () = ();

/// `libxl_ctx_free` must not be called inside anything that libxl called (event_occurs, completion callback, hook, reaped_callback): libxl uses the ctx after that returns.
///
/// Source: C `egc_run_callbacks`
pub const X5: () = ();

/// A timeout that was cancelled with `{0,0}` and has not occurred when the ctx is freed is dropped without an occurrence.
///
/// Source: C
pub const X6: () = ();

/// In a child that was forked and does not exec, the parent's ctxs must be neither used nor freed; `libxl_postfork_child_noexec` is the only permitted call. The child shares the host's epoll and timerfd, so `EPOLL_CTL` there changes the parent's set.
///
/// Source: H
pub const X7: () = ();

/// libxl does not free the nexuses of a ctx: 24 bytes for each of the largest number that was in use at once. Leak checkers report them. They are not a leak of the host.
///
/// Source: C; obs.
pub const X8: () = ();

/// The logger is called for all levels, on any thread, under the ctx lock, and in forked children. [R15] applies to it, and it must not need a lock that another thread may have held at the fork. A NULL logger crashes (obs.). Its struct of three functions is the same from 4.2.0 to 4.22.0. `progress` is called in the same way: while a domain is saved, in occurrences of the save helper's pipe (obs.), with a total of 0 for marks in the stream; while one is restored, up to 4.5 only.
///
/// Source: C `libxl__logv`; libxl_save_callout.c; xentoollog.h; obs.
pub const X9: () = ();

/// Event and completion callbacks run with the ctx unlocked, on any thread that made a client call. A completion can be reported **before** its starting call has returned, on the same thread (obs.) or another. Within one client call the order is: events, progress reports, completions. Between threads there is no order, except that the completion of an operation waits until its progress reports have returned.
///
/// Source: H; C `egc_run_callbacks`, `libxl__ao_complete_check_progress_reports`; obs.
pub const E1: () = ();

/// Such a callback may call libxl but must not make occurrences, as a nested main loop in it would. So results are passed to the application after the client call has returned.
///
/// Source: H
pub const E2: () = ();

/// An event that is passed to event_occurs belongs to the application, which frees it with `libxl_event_free` before the ctx. 4.2.0 leaves `for_user` 0; 4.2.1 sets it. On 64-bit Linux the head of the struct is the same in all releases: domid at 16, for_user at 40, type at 48, union at 56.
///
/// Source: H; b3b123b5a9 (4.2 branch: 75985fb641); libxl_types.idl
pub const E3: () = ();

/// Without a `disaster` handler a disaster ends the process. The handler must not call libxl.
///
/// Source: H
pub const E4: () = ();

/// `libxl_event_register_callbacks` may only be called while no other client call is in progress and no events are enabled.
///
/// Source: H
pub const E5: () = ();

/// `libxl_ao_abort` (4.6 on) finds an operation by callback and for_callback. The pair must be unique, and must not be reused while an abort may be in progress. It returns 0 (accepted; the operation may still succeed, and may take long), `ERROR_NOTFOUND` (-23: ended, or about to complete), or `ERROR_ABORTED` (-22: requested before). It calls hooks, and may run callbacks, including that of this operation, before it returns (obs.). A NULL how aborts an arbitrary blocking operation. The operation completes once, with -22 or with its own result.
///
/// Source: libxl.h; C `ao__abort`; obs.
pub const E6: () = ();

/// Freeing the ctx frees its evgens.
///
/// Source: H; libxl.c
pub const E7: () = ();

/// Calls with a NULL ao_how, and `libxl_event_wait`, run a poll loop of libxl over every fd and timeout of the ctx, at the same time as hooks and occurrences. A host must avoid them: before 4.14 they can hang (5a533d0ba5); before 4.6 they fail a POLLNVAL assertion (681ce16816) or block in the save helper's pipe (56d2350bf5); with owner mainloop, on the thread that reports children, they never return (obs.); an event queued by another thread does not wake `libxl_event_wait` (obs.). `libxl_event_check` has none of these problems.
///
/// Source: C; obs.
pub const E8: () = ();

/// A starting call that returns nonzero makes no callback. One that returns 0 makes exactly one, possibly before it returns. `*ao_how` is not needed after the call returns; everything else that was passed (out pointers, fds) must remain valid until completion.
///
/// Source: libxl.h
pub const E9: () = ();

/// An event can arrive after the evdisable that follows it, also through the client call of another thread. So `for_user` has to be a number to look up, not a pointer.
///
/// Source: H
pub const E10: () = ();

/// An evgen reports `DOMAIN_SHUTDOWN` once. A save causes one with reason 2 (suspend), which is not the end of the domain, and after which a new evgen is needed. `DOMAIN_DEATH` is the end. It is reported as soon as Xen has marked the domain as dying, so the domain can still be in the list for a while. libxl checks the list of domains when its watch on `@releaseDomain` fires, which xenstored does once for a new watch. A ctx has one such watch, from its first evgen to its last. So if a domain has shut down or is gone before it is watched, this is reported for the first evgen at once, and for a further evgen only when another domain goes. The host has to check the domain after the evgen is enabled, and both may report the same.
///
/// Source: obs.; `libxl_evenable_domain_death`, `domain_death_xswatch_callback`
pub const E11: () = ();

/// A result is a number, mostly `ERROR_FAIL`; the cause is only in the log, and all operations of a ctx share one log. A line is logged on the thread that works, between the start of an operation and its callback: in the starting call or the abort, in occurrences, and in the report of a child, where the lines of the save helper and the domain builder are also logged (obs.). Everything that libxl registers or forks for an operation, it registers or forks inside such a call for that operation, except fds that serve several operations: xenstore's, the event channels', the SIGCHLD pipe. For each watch it logs `watch w=… register slotnum=…` and `… event epath=…` at debug level (4.2.0 to 4.22.0), just before the call. From 4.10 on many error lines begin with `Domain N:` after the place in the source; some never do ("client didn't acknowledge control request", "Invalid ident").
///
/// Source: libxl_internal.c `libxl__logv`; C; obs.
pub const E12: () = ();

/// libxl does not check its domids. Xen has 16 bits for them, so 65536 is domain 0 for `xc_domain_pause`, and for `domid_t` in `libxl__domain_pvcontrol`; from 32752 (`DOMID_FIRST_RESERVED`) on there are no domains. `libxl_domain_destroy(0)` removes `/local/domain/0` before Xen refuses (obs.); only xl refuses domain 0. For a domain that does not exist, functions return `ERROR_DOMAIN_NOTFOUND`, `ERROR_INVAL`, `ERROR_FAIL`, `ERROR_NOTFOUND`, or success, depending on function and release; an unsuccessful completion does not tell whether the domain was destroyed meanwhile. Only `libxl_domain_info`, which takes no lock, tells this. A second destroy runs at the same time as the first, and fails half way (obs.: `ERROR_LOCK_FAIL`).
///
/// Source: libxl_domain.c; xl_vmcontrol.c; obs.
pub const E13: () = ();

/// From 4.6 on a save or restore that fails before its helper has been started ends the process: `libxl__save_helper_abort` calls a callback that is not set (obs., 4.17.7: SIGSEGV). A stream that does not begin like a stream of libxl causes this, and so does an abort right after the start of a save or restore.
///
/// Source: libxl_save_callout.c `helper_failed`; obs.
pub const E14: () = ();

/// libxl does not report the loss of xenstored. libxenstore's thread ends when the connection breaks, and no fd becomes readable; libxl only reports a disaster if it is reading a watch at this moment ("cannot check/read watches"). From then on every node that is read does not exist (`libxl_domid_to_name` returns NULL, `libxl_name_to_domid` `ERROR_INVAL`), a further evgen is enabled and reports nothing, and a first one fails with EBADF or EINVAL. libxl never connects again. A host that has to know this must watch a connection of its own.
///
/// Source: xs.c `read_thread`; obs.
pub const E15: () = ();

/// If a backend never answers, `libxl_domain_destroy` waits ten seconds (`LIBXL_DESTROY_TIMEOUT`). Then it logs this at error level, continues, destroys the domain and succeeds (obs., 4.14, 4.17, 4.20). The removal of that device alone waits for this time twice and fails with `ERROR_TIMEDOUT`; the domain continues to run and can be destroyed.
///
/// Source: libxl_device.c `device_backend_callback`; libxl_domain.c `devices_destroy_cb`; obs.
pub const E16: () = ();

/// libxl forks: device scripts, save helper, bootloader, destroyer. Which code handles SIGCHLD is set once, before the first child: `libxl` (default), `mainloop`, `libxl_always`, or (4.4 on) `libxl_always_selective_reap`. `libxl` and `libxl_always` reap all children of the process. All except `mainloop` install a handler, abort when they find one that is neither SIG_DFL nor SIG_IGN (obs.), and silently overwrite one that is installed later (obs.). They also need a thread that leaves SIGCHLD unblocked, which signalfd loops do not have. `mainloop` is the only mode that works with hooks in every release and with other handlers.
///
/// Source: H; libxl_fork.c; obs.
pub const S1: () = ();

/// With `mainloop` the host reports children: with `libxl_childproc_reaped(pid, status)`, or from 4.4 on with `libxl_childproc_sigchld_occurred`. It must not do so in a signal handler or after `libxl_ctx_free` (obs.: abort), and must report to each ctx if there are several. Both are client calls and run callbacks. A report cannot come too early, because the fork happens under the ctx lock.
///
/// Source: H; libxl_fork.c; obs.
pub const S2: () = ();

/// Children inherit every fd without CLOEXEC. All fds that a host opens must have it.
///
/// Source: common sense
pub const S3: () = ();

/// Up to 4.3 the SIGCHLD pipe is not passed to the hooks, and `libxl_always` does not work. With hooks, only `mainloop` with `libxl_childproc_reaped` notices the death of a child. Fixed in 4.4.
///
/// Source: e5b94170fd, 755aa9edb2; libxl_fork.c 4.2.0, 4.3.4
pub const S4: () = ();

/// Some children exec late or never: the domain destroyer, the lock child (4.13 on), the middle process of a spawn. CLOEXEC does not help there; they keep all of the host's fds. A file that the host closes remains open (a peer sees no end of file), and an epoll member that is closed without `EPOLL_CTL_DEL` is still reported. So delete first, then close. No hook is called in a child.
///
/// Source: libxl_domain.c; libxl_exec.c
pub const S5: () = ();

/// Refusing the SIGCHLD pipe in `fd_register` is fatal: libxl ignores the error, forks, and never learns of the child's exit. The operation does not complete, and `libxl_ctx_free` aborts (obs.). A loop that cannot continue must refuse operations, not registrations. From 4.4 on; does not apply to `mainloop`.
///
/// Source: libxl_fork.c `libxl__ev_child_fork`; obs.
pub const S6: () = ();

/// `fork_replacement` is called under the ctx lock, and again in the middle process of a spawn, which is already a child; there a result of -1 leads to `exit(255)` with its atexit handlers. `reaped_callback` is called without the lock and may call libxl.
///
/// Source: libxl_exec.c; libxl_fork.c
pub const S7: () = ();

/// If several ctxs have children, all of them must use `selective_reap`, or all `mainloop`. With `libxl` they reap each other's children; before 4.4 the second one fails an assertion.
///
/// Source: H; 5f0c4a7810
pub const S8: () = ();

/// A child that does not exec needs locks of Xen's libraries for which there is no atfork handler: libxencall's `cache_mutex` (every hypercall; up to 4.6 in libxenctrl) and, from 4.10 on, libxentoolcore's `handles_lock` (each handle that is opened or closed, so `libxl_ctx_alloc` and `_free`). If another thread holds one at the fork, in a call on another ctx or in one that takes no ctx lock (`libxl_list_domain`, `libxl_domain_info`), it stays locked in the child for ever: the child hangs (obs.), and so does the operation. This affects all modes. A `fork_replacement` can let the child take each lock first, and fork again if it cannot.
///
/// Source: libxl_domain.c `devices_destroy_cb`; buffer.c; handlereg.c; obs.
pub const S9: () = ();
