// Made of contract.md by `UPDATE_DOCS=1 ./x test --only published`.

//! The clauses of the contract: what Xen's libxl expects of a program that hosts its events, and what that program may
//! rely on. They are here to be linked to, and exist in the documentation only.
//!
//! - *Client*: the hosted library, here one `libxl_ctx`. *Loop*: the event loop of the program. *Host*: that program.
//! - *Hook*: one of the six functions of `libxl_osevent_hooks`, which the client calls.
//! - *Occurrence*: a call of `libxl_osevent_occurred_fd` or `libxl_osevent_occurred_timeout`.
//! - *Client call*: any call into libxl on that ctx. Occurrences are client calls.
//! - *Nexus*: the small struct whose address libxl passes as `for_libxl`.
//!
//! Sources are files of Xen's tree: below `tools/libxl` up to 4.14, `tools/libs/light` from 4.15 on (headers in
//! `tools/include`). **H** is `libxl_event.h`, **C** is `libxl_event.c`. Hashes are upstream commits. **(obs.)** means
//! observed on Debian's libxl 4.17.7, unless another release is named. The sources of 4.2.0 to 4.22.0 were read; where a row names a release, that is the
//! first or last one with the behaviour.

/// Hooks come on every thread that makes client calls, also on the loop's own thread from inside an occurrence. During a hook its caller holds the ctx lock, a recursive pthread mutex, often several levels deep. libxl starts no thread that would call hooks by itself.
///
/// Source: H; C `OSEVENT_HOOK_INTERN`
pub const R1: () = ();

/// What `for_app_registration_out` points at is garbage on entry, although H promises NULL. From 4.2.2 on a recycled nexus still shows the value of its last registration (obs.); before that, the ev struct's old content is there. So the hook only writes it. libxl returns the stored value unchanged to modify and deregister. `fd_modify` may overwrite it, and libxl keeps the new value even if that call fails.
///
/// Source: C `osevent_hook_pre_alloc`; obs.
pub const R2: () = ();

/// `fd_register`, `timeout_register` and `fd_modify` may fail. A failing hook changes nothing and returns `ERROR_OSEVENT_REG_FAIL` (-12) or any positive int. libxl treats every non-zero result as failure, so another negative number would look like an error of its own. As a rule the number becomes the operation's result (obs.: 77, also through the callback). Exceptions: QMP (4.12 on), and a fork, which asks for the SIGCHLD pipe anew (obs.), ignore a failing `fd_modify`, and a failing `timeout_modify` is always ignored (the old deadline stays). Deregistration has no result. One failure hangs an operation: [S6].
///
/// Source: H; C; libxl_qmp.c `qmp_ev_ensure_reading_writing`; libxl_fork.c `libxl__sigchld_needed`; obs.
pub const R3: () = ();

/// One fd may have several registrations at the same time, each with its own interest. By H each asks for at least one bit that the others of that fd do not. Readiness that fits several may be handed to any non-empty choice of them. What was asked for by one that has ended, or asks for less now, must not wake the loop: it would spin.
///
/// Source: H
pub const R4: () = ();

/// An empty interest is valid when registering and when modifying. The registration remains, without occurrences, POLLERR and POLLHUP included. epoll always reports those two, so a level-triggered loop that keeps such an fd in its set spins. libxl 4.4 does this to its SIGCHLD pipe when no child is left. An `fd_modify` that changes nothing is normal, too.
///
/// Source: H; libxl_fork.c 4.4.0
pub const R5: () = ();

/// Interest uses poll(2)'s bits: POLLIN, POLLPRI, POLLOUT. POLLERR, POLLHUP and POLLNVAL come along with any non-empty interest. The save helper's pipe is watched for POLLIN|POLLPRI (obs.): "readable" and "writable" alone are not enough.
///
/// Source: C; libxl_save_callout.c; obs.
pub const R6: () = ();

/// Whatever poll(2) accepts may be registered. Regular files and `/dev/null` are therefore valid, and always ready. Saving a domain to a file waits for POLLOUT on a regular file, and one of libxl's own tests waits on `/dev/null`. `epoll_ctl` rejects both with EPERM.
///
/// Source: libxl_aoutils.c; test_fdderegrace.c
pub const R7: () = ();

/// After `fd_deregister` has returned, the client may close the fd immediately. Its number can name a different file, and be registered again, before the loop gets its next turn (obs.). Or it stays open, and ready, as the xenstore fd does from 4.5 on ([X2]).
///
/// Source: C; obs.
pub const R8: () = ();

/// The loop may be asleep when something is registered. The registration must then take part in that sleep or end it, because nobody else will. The same holds for a modification that adds interest or makes a timeout due. libxl's term for it is the "unstale liveness property".
///
/// Source: C, first comment (4.14 on)
pub const R9: () = ();

/// `for_libxl` identifies nothing: nexuses are pooled, so values repeat (obs.).
///
/// Source: C; obs.
pub const R10: () = ();

/// A timeout is an absolute `struct timeval` on gettimeofday(2)'s clock. `{0,0}`, or a time in the past, is due immediately, but not from within the hook ([O1]). The distant future must not overflow anything. Timeouts without an end never get to a hook.
///
/// Source: H; C
pub const R11: () = ();

/// No timeout may occur early. It may be late by a timer's slack plus the loop's latency. libxl does not compare with the clock, so an early occurrence means an early `ERROR_TIMEDOUT`. Setting the wall clock while a timeout is pending must neither lose it nor make the loop spin.
///
/// Source: C `libxl_osevent_occurred_timeout`
pub const R12: () = ();

/// From 4.2.2 on `timeout_modify` is called with `{0,0}` and nothing else, and `timeout_deregister` is not called. 4.2.0 and 4.2.1 are the reverse: `timeout_deregister`, never modify. 4.2.0 hands it the address of the stored value in place of the value (d2f82025b9; f5f20508d2 on the 4.2 branch, in 4.2.1). That address is the out pointer of `timeout_register`, so a host can recognise it without reading through it.
///
/// Source: H; C
pub const R13: () = ();

/// `timeout_modify` may name a timeout that the loop has already taken, may come from inside that timeout's occurrence, and may come twice. 4.2.2 to 4.3: after each expiry whose callback deregisters (15347ebb35 stopped this in 4.4 and was not backported). 4.6 on: an abort makes `time_aborted` and then the callback send it (obs.). Blocking calls send `{0,0}` for timeouts that libxl's own poll loop serves. In 4.2.0 and 4.2.1 `timeout_deregister` comes from inside the occurrence in the same way. The hook returns 0 and makes no further occurrence ([O5]). A handle that becomes invalid when the loop takes the timeout is a use after free.
///
/// Source: C; obs.
pub const R14: () = ();

/// A hook does not wait: neither for an occurrence in flight nor for the loop's thread, nor for any lock held across a client call. All of those may wait for the ctx lock, which the hook's caller holds. So `fd_deregister` cannot drain occurrences, and cannot ask a thread-bound loop and wait for its answer. A hook does not call libxl on that ctx, does not fork, and does not leave by unwinding or longjmp (`osevent_in_hook` would never come down). What runs in a hook runs in the middle of libxl's work on its lists: a watch enabled there was missing from them afterwards (obs., 4.17: `remove watch for path @releaseDomain: Invalid argument` at the next deregistration, later an abort). The logger is called under the lock, too.
///
/// Source: C `OSEVENT_HOOK_INTERN`; obs.
pub const R15: () = ();

/// `fd_deregister` can come during an occurrence of the very same fd: the SIGCHLD pipe when its last child is reaped (obs.), the xenstore fd with its last watch. Fd number and `for_libxl` can both be registered again before that occurrence returns.
///
/// Source: C; obs.
pub const R16: () = ();

/// No occurrence from inside a hook: an assertion ends the process.
///
/// Source: H; C
pub const O1: () = ();

/// Either (a) no lock that a hook takes is held across any client call, or (b) one outer lock is held across *all* client calls of the program. A mixture deadlocks.
///
/// Source: H "Lock hierarchy"
pub const O2: () = ();

/// From 4.2.2 on an fd occurrence may arrive any time after its deregistration, as long as the ctx lives. In 4.2.0 and 4.2.1 the pointer is freed memory by then (they also assert that the fd is the registered one), so only (b) of [O2] is safe there.
///
/// Source: bc7e8a2a81, 5f5ef65bab; 4.2 branch: a87ef89729, 6f0f339dd4
pub const O3: () = ();

/// From 4.2.2 on libxl polls the fd again and ignores `events` and `revents`: a spurious occurrence does no harm. 4.2.0 and 4.2.1 trust `revents` and mask it with the interest alone. There a bare POLLHUP or POLLERR is dropped and a level-triggered loop spins; the host must add the interest's bits when an error, hang-up or invalid fd shows. Readiness that is no longer true has them read all the same, and the save helper's reader blocks there, under the ctx lock, for ever. Another thread can have read the fd while an occurrence waited for the outer lock of [O2], so the host looks again once it has that.
///
/// Source: C `libxl_osevent_occurred_fd` 4.2.0, 4.2.2; 56d2350bf5
pub const O4: () = ();

/// From 4.2.2 on each timeout registration occurs **exactly once**, a `{0,0}` modification included: this is how libxl gets its nexus back. A second time corrupts its free list; none at all hangs or leaks. In 4.2.0 and 4.2.1: at most once, and not after `timeout_deregister`.
///
/// Source: C `libxl_osevent_occurred_timeout`
pub const O5: () = ();

/// A timeout's occurrence ends its registration. libxl may register the next one from inside it.
///
/// Source: H
pub const O6: () = ();

/// Due timeouts occur by deadline, earliest first (`libxl_test_timedereg.c` depends on it). Among equal deadlines any order is fine; this project keeps the order of registration.
///
/// Source: C `LIBXL_TAILQ_INSERT_SORTED`
pub const O7: () = ();

/// Occurrences may run on any thread while hooks run on others, and may spend a long time waiting for the ctx lock. The loop's own state has to remain consistent throughout.
///
/// Source: H
pub const O8: () = ();

/// An fd that is ready all the time must leave room for other fds, for timeouts, and for the host's own sources.
///
/// Source: a host's expectation
pub const O9: () = ();

/// Level semantics: while an fd stays ready, it occurs again. Data that the client left unread is not lost.
///
/// Source: C
pub const O10: () = ();

/// The fd passed back is the number that libxl registered. Any other, a duplicate for instance, is silently ignored, and the loop spins; 4.2.0 and 4.2.1 assert.
///
/// Source: C `libxl_osevent_occurred_fd`
pub const O11: () = ();

/// One occurrence can hold the ctx lock for seconds: domains are built inside occurrences, and xenstore round trips and reads from the save helper happen there. Starting an operation can take as long even with an ao_how: `libxl_domain_create_new` builds a PV domain before it returns (obs.).
///
/// Source: libxl_create.c; libxl_save_callout.c; obs.
pub const O12: () = ();

/// libxl keeps pointers to the osevent, event and childproc hooks structs, to their user data and to the logger: all of them outlive the ctx. `libxl_asyncop_how` is copied. `libxl_ctx_alloc` registers nothing. `libxl_osevent_register_hooks` comes next, before `libxl_childproc_setmode`, whose "always" modes register a pipe at once. 4.5 and later assert that nothing is registered yet (obs.); earlier releases accept late hooks silently. A second call goes unnoticed (obs.).
///
/// Source: H; C; 60ce518a1b; obs.
pub const X1: () = ();

/// `libxl_ctx_free` calls `fd_deregister` on the calling thread, and no other hook. It does so for the xenstore fd (up to 4.4 always, from 4.5 on while a watch or evgen lives) and for the SIGCHLD pipe (4.4: in each mode where libxl handles SIGCHLD, once there has been a child, with interest 0; 4.5 on: in the "always" modes). A host that first waits for all registrations to disappear waits for ever.
///
/// Source: libxl.c; 77a1bf3779, 4b9143e4a4, 2ffeb5d7f5; obs.
pub const X2: () = ();

/// `libxl_ctx_free` asserts that there is no timeout and no watch (all releases), no child (4.5 on; obs.), no wait for an event channel (4.5 on), and no operation in progress (4.6 on; before that an operation is left dangling without a word). An operation is over when its callback has run *and* the client call that ran it has returned. `ERROR_NOTFOUND` from `libxl_ao_abort` does not prove it: from 4.13 on an operation that waits for a killed child is off the list and still alive.
///
/// Source: libxl.c; C; 4abbac194f
pub const X3: () = ();

/// When `libxl_ctx_free` starts, no client call may be in progress on any thread, and none may begin later. That covers occurrences, starts, aborts, evdisable and `libxl_childproc_*`. A late one aborts the process in `libxl__ctx_lock` (obs.). Up to 4.5 `libxl_ctx_free` does not take the lock at all.
///
/// Source: libxl.c; obs.
pub const X4: () = ();

/// `libxl_ctx_free` may not be called from anything that libxl called (event_occurs, completion callback, hook, reaped_callback): libxl touches the ctx after that returns.
///
/// Source: C `egc_run_callbacks`
pub const X5: () = ();

/// A timeout that was cancelled with `{0,0}` and has not occurred when the ctx is freed is dropped without an occurrence.
///
/// Source: C
pub const X6: () = ();

/// In a child that was forked and does not exec, the parent's ctxs may be neither used nor freed; `libxl_postfork_child_noexec` is the one permitted call. The child shares the host's epoll and timerfd, so `EPOLL_CTL` there alters the parent's set.
///
/// Source: H
pub const X7: () = ();

/// libxl does not free a ctx's nexuses: 24 bytes for each of the largest number in use at once. Leak checkers find them; they are not the host's.
///
/// Source: C; obs.
pub const X8: () = ();

/// The logger is called at all levels, on any thread, under the ctx lock, and in forked children. [R15] applies to it, and it must not need a lock that another thread may have held at the fork. A NULL logger crashes (obs.). Its struct of three functions is the same from 4.2.0 to 4.22.0.
///
/// Source: C `libxl__logv`; xentoollog.h; obs.
pub const X9: () = ();

/// Event and completion callbacks run with the ctx unlocked, on whatever thread made a client call. A completion can come **before** its starting call has returned, on the same thread (obs.) or another. Within one client call: first events, then progress reports, then completions. Between threads there is no order.
///
/// Source: H; C `egc_run_callbacks`; obs.
pub const E1: () = ();

/// Such a callback may call libxl but may not make occurrences, which a nested main loop in it would. So results are handed to the application after the client call has returned.
///
/// Source: H
pub const E2: () = ();

/// An event given to event_occurs belongs to the application, which frees it with `libxl_event_free` before the ctx. 4.2.0 leaves `for_user` 0; 4.2.1 fills it in. On 64-bit Linux the head of the struct is the same in all releases: domid at 16, for_user at 40, type at 48, union at 56.
///
/// Source: H; b3b123b5a9 (4.2 branch: 75985fb641); libxl_types.idl
pub const E3: () = ();

/// Without a `disaster` handler a disaster ends the process. The handler may not call libxl.
///
/// Source: H
pub const E4: () = ();

/// `libxl_event_register_callbacks` needs a quiet ctx: no other client call in progress, no events enabled.
///
/// Source: H
pub const E5: () = ();

/// `libxl_ao_abort` (4.6 on) looks an operation up by callback and for_callback. The pair must be unique, and must not be reused while an abort may be running. It returns 0 (noted; the operation may still succeed, and may take long), `ERROR_NOTFOUND` (-23: over, or about to complete), or `ERROR_ABORTED` (-22: asked before). It calls hooks, and may run callbacks, this operation's included, before it returns (obs.). A NULL how hits an arbitrary blocking operation. The operation completes once, with -22 or with its own result.
///
/// Source: libxl.h; C `ao__abort`; obs.
pub const E6: () = ();

/// Freeing the ctx frees its evgens.
///
/// Source: H; libxl.c
pub const E7: () = ();

/// Calls with a NULL ao_how, and `libxl_event_wait`, run a poll loop of libxl's over every fd and timeout of the ctx, next to hooks and occurrences. A host does without them: before 4.14 they can hang (5a533d0ba5); before 4.6 they hit a POLLNVAL assertion (681ce16816) or block in the save helper's pipe (56d2350bf5); with owner mainloop, on the thread that reports children, they never return (obs.); an event queued by another thread does not wake `libxl_event_wait` (obs.). `libxl_event_check` is harmless.
///
/// Source: C; obs.
pub const E8: () = ();

/// A starting call that returns non-zero makes no callback. One that returns 0 makes exactly one, possibly before it returns. `*ao_how` may go when it returns; everything else that was passed (out pointers, fds) stays valid until completion.
///
/// Source: libxl.h
pub const E9: () = ();

/// An event from before evdisable can arrive after it, through another thread's client call as well. So `for_user` has to be a number to look up, not a pointer.
///
/// Source: H
pub const E10: () = ();

/// An evgen reports `DOMAIN_SHUTDOWN` once. A save causes one with reason 2 (suspend), which is not the domain's end, and after which a new evgen is needed. `DOMAIN_DEATH` is the end. It comes as soon as Xen has marked the domain as dying, so the domain can still be in the list for a while. libxl looks at the list of domains when its watch on `@releaseDomain` fires, which xenstored does once for a new watch. A ctx has one such watch, from its first evgen to its last: so a domain that has shut down or is gone before it is watched is reported for the first evgen only, and for a further one not before another domain goes. The host has to look at the domain once the evgen is enabled, and both may report the same.
///
/// Source: obs.; `libxl_evenable_domain_death`, `domain_death_xswatch_callback`
pub const E11: () = ();

/// A result is a number, `ERROR_FAIL` for most causes; why is in the log alone, which is one for the ctx. A line comes on the thread that works, between an operation's start and its callback: in the starting call or the abort, in occurrences, in the report of a child, where the save helper's and the domain builder's lines come, too (obs.). What libxl registers or forks for an operation, it does inside such a call for that operation, except for fds that serve several: xenstore's, the event channels', the SIGCHLD pipe. Of each watch it says `watch w=… register slotnum=…` and `… event epath=…` at debug level (4.2.0 to 4.22.0), just before the call. From 4.10 on many error lines begin with `Domain N:` behind the place in the source; some never do ("client didn't acknowledge control request", "Invalid ident").
///
/// Source: libxl_internal.c `libxl__logv`; C; obs.
pub const E12: () = ();

/// libxl does not guard its domids. Xen has 16 bits of them, so 65536 is domain 0 for `xc_domain_pause`, and `domid_t` in `libxl__domain_pvcontrol`; from 32752 (`DOMID_FIRST_RESERVED`) on there are no domains. `libxl_domain_destroy(0)` removes `/local/domain/0` before Xen refuses (obs.); xl alone refuses domain 0. For a domain that is not there, functions answer `ERROR_DOMAIN_NOTFOUND`, `ERROR_INVAL`, `ERROR_FAIL`, `ERROR_NOTFOUND`, or success, by function and release; a completion that is no success does not say that the domain went away. Only `libxl_domain_info` tells, which takes no lock. A second destroy beside the first goes on beside it, and fails half way (obs.: `ERROR_LOCK_FAIL`).
///
/// Source: libxl_domain.c; xl_vmcontrol.c; obs.
pub const E13: () = ();

/// From 4.6 on a save or restore that fails before its helper has been started ends the process: `libxl__save_helper_abort` calls a callback that is not set (obs., 4.17.7: SIGSEGV). A stream that does not begin as libxl's does it, and so does an abort right after the start of a save or restore.
///
/// Source: libxl_save_callout.c `helper_failed`; obs.
pub const E14: () = ();

/// The loss of xenstored is not told. libxenstore's thread ends when the connection breaks, and nothing becomes readable; only where libxl happens to be reading a watch does it report a disaster ("cannot check/read watches"). From then on a node that is read is not there (`libxl_domid_to_name` gives NULL, `libxl_name_to_domid` `ERROR_INVAL`), a further evgen is enabled and reports nothing, and a first one fails with EBADF or EINVAL. libxl never connects again. A host that has to know watches a connection of its own.
///
/// Source: xs.c `read_thread`; obs.
pub const E15: () = ();

/// A backend that never answers has `libxl_domain_destroy` wait ten seconds (`LIBXL_DESTROY_TIMEOUT`), then it says so in the log at error level, goes on, has the domain gone and succeeds (obs., 4.14, 4.17, 4.20). The removal of that device alone waits as long twice and fails with `ERROR_TIMEDOUT`; the domain lives on and can be destroyed.
///
/// Source: libxl_device.c `device_backend_callback`; libxl_domain.c `devices_destroy_cb`; obs.
pub const E16: () = ();

/// libxl forks: device scripts, save helper, bootloader, destroyer. Who handles SIGCHLD is fixed once, before the first child: `libxl` (default), `mainloop`, `libxl_always`, or (4.4 on) `libxl_always_selective_reap`. `libxl` and `libxl_always` reap all children of the process. All but `mainloop` install a handler, abort when they find one that is neither SIG_DFL nor SIG_IGN (obs.), and overwrite one that is installed later without a word (obs.). They also need a thread that leaves SIGCHLD unblocked, which signalfd loops do not have. `mainloop` is the only mode that works in every release with hooks and next to other handlers.
///
/// Source: H; libxl_fork.c; obs.
pub const S1: () = ();

/// With `mainloop` the host reports: `libxl_childproc_reaped(pid, status)`, or from 4.4 on `libxl_childproc_sigchld_occurred`. Not from a signal handler, not after `libxl_ctx_free` (obs.: abort), and to each ctx if there are several. Both are client calls and run callbacks. Reporting too early is impossible, since the fork happens under the ctx lock.
///
/// Source: H; libxl_fork.c; obs.
pub const S2: () = ();

/// Children inherit every fd without CLOEXEC. All fds that a host opens have it.
///
/// Source: common sense
pub const S3: () = ();

/// Up to 4.3 the SIGCHLD pipe is not offered to the hooks, and `libxl_always` does not work. With hooks only `mainloop` with `libxl_childproc_reaped` ever notices a child's death. Mended in 4.4.
///
/// Source: e5b94170fd, 755aa9edb2; libxl_fork.c 4.2.0, 4.3.4
pub const S4: () = ();

/// Some children exec late or never: the domain destroyer, the lock child (4.13 on), the middle process of a spawn. CLOEXEC does not help against those; they keep all of the host's fds. What the host closes stays open (a peer sees no end of file), and an epoll member closed without `EPOLL_CTL_DEL` keeps reporting. So: delete first, close second. No hook is called in a child.
///
/// Source: libxl_domain.c; libxl_exec.c
pub const S5: () = ();

/// Refusing the SIGCHLD pipe in `fd_register` is fatal: libxl disregards the error, forks, and never hears of the child. The operation does not complete, and `libxl_ctx_free` aborts (obs.). A loop that cannot go on refuses operations, not registrations. From 4.4 on; does not concern `mainloop`.
///
/// Source: libxl_fork.c `libxl__ev_child_fork`; obs.
pub const S6: () = ();

/// `fork_replacement` is called under the ctx lock, and once more in the middle process of a spawn, which is a child already; there a -1 leads to `exit(255)` with its atexit handlers. `reaped_callback` is called without the lock and may call libxl.
///
/// Source: libxl_exec.c; libxl_fork.c
pub const S7: () = ();

/// Several ctxs with children: all of them `selective_reap`, or all `mainloop`. With `libxl` they take each other's children; before 4.4 the second one fails an assertion.
///
/// Source: H; 5f0c4a7810
pub const S8: () = ();

/// A child that does not exec needs locks of Xen's libraries that no atfork handler guards: libxencall's `cache_mutex` (every hypercall; up to 4.6 in libxenctrl) and, from 4.10 on, libxentoolcore's `handles_lock` (each handle that is opened or closed, so `libxl_ctx_alloc` and `_free`). Another thread that holds one at the fork, in a call on another ctx or in one that takes no ctx lock (`libxl_list_domain`, `libxl_domain_info`), leaves it locked in the child for ever: the child hangs (obs.), and with it the operation. In all modes. A `fork_replacement` can have the child take each of them first, and fork again if it cannot.
///
/// Source: libxl_domain.c `devices_destroy_cb`; buffer.c; handlereg.c; obs.
pub const S9: () = ();
