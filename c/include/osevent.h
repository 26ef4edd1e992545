/*
 * osevent: libxl's events in any event loop that can watch one file descriptor.
 *
 * libxl asks its program to watch fds and timeouts for it. osevent does that, for any number of ctxs, and shows the
 * program one fd:
 *
 *     osevent *ev;
 *     osevent_new(&ev);
 *     libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, logger);
 *     osevent_host(ev, ctx);                     // right after libxl_ctx_alloc
 *     ...                                        // set-up: libxl_childproc_setmode, libxl_evenable_..., operations
 *     watch osevent_fd(ev) for input, level style; whenever it is readable: osevent_dispatch(ev);
 *     ...
 *     osevent_close(ev, ctx);                    // instead of libxl_ctx_free
 *     osevent_free(ev);
 *
 * Link with -losevent -lxenlight. osevent itself neither links nor loads libxl: osevent_host hands it the functions
 * that the program is linked with. It prints nothing, starts no thread, and does not touch signals or children.
 *
 * Releases of Xen: 4.2 to 4.22, that of the libxl.h with which the program is compiled. With 4.2's, the one extra rule
 * is at osevent_enter.
 *
 * Results: 0 or more is success; failure is a negative errno, which each function lists. A null osevent or ctx is
 * -EINVAL. What failed has changed nothing.
 *
 * Threads: every function may be called on any thread, at any time, but for osevent_free. None waits for another
 * thread, but for osevent_wait, and osevent_enter with Xen 4.2. libxl itself can work for seconds in
 * osevent_dispatch, and so can libxl_ctx_free in whichever call does it.
 *
 * fork: the fds are close-on-exec. In a child that does not exec the parent's osevents do nothing (X7): osevent_free
 * leaves the parent's alone and returns 0, everything else is -EACCES. A child may make some of its own.
 *
 * docs/any-loop.md has the whole guide, with programs; ids such as X4 are clauses of docs/contract.md.
 */
#ifndef OSEVENT_H
#define OSEVENT_H

#include <libxl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One fd, and the libxl_ctxs behind it. */
typedef struct osevent osevent;

/*
 * Makes one, in *made.
 *
 * -EMFILE: this process has too many files open (three are needed). -ENFILE: the machine has, or has no memory for
 * them. Another errno of epoll_create1(2), eventfd(2) or timerfd_create(2).
 */
int osevent_new(osevent **made);

/*
 * Frees it and closes its fd, which no loop may be watching any more. No other call on it may be in progress or
 * follow. Null is no error.
 *
 * -EBUSY: it still hosts a ctx.
 */
int osevent_free(osevent *ev);

/*
 * The fd to watch for input, level style (poll's POLLIN), and for nothing else: not to be read or closed. A loop that
 * only reports changes has to call osevent_dispatch until it returns 0.
 *
 * Programs that sleep on it need not be woken when another thread makes libxl register something.
 */
int osevent_fd(const osevent *ev);

/*
 * Has libxl handle what is due, and returns how many times that was. It does not wait. It begins nothing more after 64
 * times or 2 ms, and leaves the fd readable if something remains, so that the loop's other sources have their turn; but
 * one time can take libxl seconds, while it builds a domain, for instance.
 *
 * 0 says that nothing is left, and that whatever becomes due from then on is a change of the fd. So the result is 1 where
 * something remains although libxl was not called, because it was due for a ctx that is being closed.
 *
 * libxl's callbacks come from inside it, on the calling thread (and from inside other calls into libxl).
 *
 * -EDEADLK: called from inside libxl: from one of its callbacks, or between osevent_enter and osevent_leave (E2).
 * -EBADF or another errno: somebody in this process has closed fds that were not his.
 */
int osevent_dispatch(osevent *ev);

/* libxl's functions, as osevent_host fills it in. */
struct osevent_libxl {
    void (*register_hooks)(libxl_ctx *ctx, const libxl_osevent_hooks *hooks, void *user);
    void (*occurred_fd)(libxl_ctx *ctx, void *for_libxl, int fd, short events, short revents);
    void (*occurred_timeout)(libxl_ctx *ctx, void *for_libxl);
    int (*ctx_free)(libxl_ctx *ctx);
    /* Not 0 for Xen 4.2, which does not tolerate an occurrence after its deregistration (O2, O3). */
    int serialized;
};

/* osevent_host with other functions than those that the program is linked with. -EINVAL also for a null one. */
int osevent_host_libxl(osevent *ev, libxl_ctx *ctx, const struct osevent_libxl *libxl);

/*
 * Hosts the ctx: from now on it is osevent's to free. To be called right after libxl_ctx_alloc, before anything else
 * is done with the ctx: libxl_childproc_setmode registers an fd already, and later libxl_osevent_register_hooks is an
 * assertion in libxl that fails (X1). The ctx's logger, and the hooks that the program gives to libxl itself, outlive
 * the ctx: keep them until osevent_wait has returned 0.
 *
 * -EEXIST: this osevent hosts it already. With any failure, the ctx is still the caller's.
 */
static inline int osevent_host(osevent *ev, libxl_ctx *ctx)
{
    static const struct osevent_libxl libxl = {
        libxl_osevent_register_hooks,
        libxl_osevent_occurred_fd,
        libxl_osevent_occurred_timeout,
        libxl_ctx_free,
#ifdef LIBXL_HAVE_FIRMWARE_PASSTHROUGH /* since Xen 4.3 */
        0,
#else
        1,
#endif
    };
    return osevent_host_libxl(ev, ctx, &libxl);
}

/*
 * Begins calls into libxl with this ctx on this thread: until the osevent_leave that matches, the ctx is not freed.
 * They nest. Inside a callback of libxl's the ctx cannot be freed anyway.
 *
 * It is needed wherever osevent_close may come before the call has returned: from another thread, or from a callback
 * that libxl makes in the call. A program that does neither can do without, but for Xen 4.2: there all calls with a
 * hosted ctx have to be made between the two; one that is not, and has something registered, fails with
 * ERROR_OSEVENT_REG_FAIL (-12).
 *
 * -ESHUTDOWN: osevent_close was called. -ENOENT: not hosted (any more); the pointer must not be used.
 */
int osevent_enter(osevent *ev, libxl_ctx *ctx);

/*
 * Ends what osevent_enter began. The ctx may be freed in it, if osevent_close was called meanwhile. As with a mutex, a
 * thread that ends without it has not left, and the ctx is never freed.
 *
 * -EPERM: this thread did not enter so often.
 */
int osevent_leave(osevent *ev, libxl_ctx *ctx);

/*
 * Lets no call into libxl begin with this ctx any more, and frees it (libxl_ctx_free) when those in progress are over
 * (X4): 0 if that is done, on this thread. It may be called in a callback of libxl's (X5), if that comes from
 * osevent_dispatch or from a call between osevent_enter and osevent_leave.
 *
 * All operations must have ended by then, that is, have called back: libxl asserts it (X3). Abort them
 * (libxl_ao_abort) and dispatch until they have; the callback of the last one is a good place to close. Event
 * generators (libxl_evenable_...) go with the ctx. Events that libxl has handed over must be freed before
 * (libxl_event_free).
 *
 * -EINPROGRESS: it will be freed by the thread that is inside libxl now (this one, in a callback), when that
 * returns; osevent_wait tells when. It says so again when called again. -ENOENT: not hosted (any more).
 */
int osevent_close(osevent *ev, libxl_ctx *ctx);

/*
 * Waits until the ctx is not hosted: 0 if it has been freed, or never was there. At most timeout_ms milliseconds;
 * 0 only asks, a negative number sets no limit. It does not dispatch: the loop need not run for a ctx to be freed,
 * but an operation ends only in a loop that does.
 *
 * A ctx is named by its address. When it has been freed, libxl_ctx_alloc may give the address to a new one, and where
 * that is hosted, this waits for the new one. So wait before another thread may host a ctx, or rely on what
 * osevent_close has said.
 *
 * -ETIMEDOUT: it is still hosted. -EDEADLK: called from inside libxl, which would wait for itself.
 */
int osevent_wait(osevent *ev, libxl_ctx *ctx, int timeout_ms);

/*
 * Why a hook failed last, in words: which hook, with what, and what was wrong. libxl itself passes on a number only
 * (ERROR_OSEVENT_REG_FAIL, or the errno that epoll gave), and for the hooks that end a registration nothing at all. It is
 * forgotten then, so that the next call is about something newer.
 *
 * Writes size bytes at most, the NUL among them, and returns how long the whole text is, as snprintf(3) does; 0 where
 * no hook of this ctx has failed since. -ENOENT: not hosted (any more).
 */
int osevent_refusal(osevent *ev, libxl_ctx *ctx, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
