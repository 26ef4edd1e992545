/*
 * osevent: libxl's events in any event loop that can watch one file descriptor.
 *
 * libxl asks its program to watch fds and timeouts. osevent does this for any number of ctxs, and gives the program a
 * single fd to watch:
 *
 *     osevent *ev;
 *     osevent_new(&ev);
 *     libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, logger);
 *     osevent_host(ev, ctx);                     // right after libxl_ctx_alloc
 *     ...                                        // set-up: libxl_childproc_setmode, libxl_evenable_..., operations
 *     watch osevent_fd(ev) for input, level-triggered; when it is readable: osevent_dispatch(ev);
 *     ...
 *     osevent_close(ev, ctx);                    // instead of libxl_ctx_free
 *     osevent_free(ev);
 *
 * Compile and link with what "pkg-config --cflags --libs osevent" prints. osevent itself neither links nor loads libxl:
 * osevent_host passes it the functions that the program is linked with. It prints nothing, starts no thread, and does not
 * touch signals or children. osevent-glib.h attaches an osevent to a main context of GLib.
 *
 * Releases of Xen: 4.2 to 4.22. The libxl.h that the program is compiled with determines the release. Xen 4.2 has one
 * additional rule, see osevent_enter.
 *
 * Results: 0 or more on success, a negative errno on failure. Each function lists its errors. If ev or ctx is NULL, the
 * result is -EINVAL. A function that fails has changed nothing.
 *
 * Threads: every function except osevent_free may be called on any thread at any time. None waits for another thread,
 * except osevent_wait, and osevent_enter with Xen 4.2. libxl can work for seconds in osevent_dispatch, and in
 * libxl_ctx_free, which osevent_close, osevent_leave or osevent_dispatch calls.
 *
 * fork: the fds are close-on-exec. In a child that does not exec, the parent's osevents cannot be used (X7):
 * osevent_free does not affect the parent and returns 0, all other functions fail with -EACCES. A child may create its
 * own osevents.
 *
 * docs/any-loop.md in the repository of osevent is the guide, with example programs. Ids such as X4 are clauses of
 * docs/contract.md there.
 */
#ifndef OSEVENT_H
#define OSEVENT_H

#include <libxl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An fd and the ctxs behind it. */
typedef struct osevent osevent;

/*
 * Creates an osevent in *made.
 *
 * -EMFILE: the process has too many open files; three more are needed. -ENFILE: the machine has too many open files, or
 * no memory. Another errno of epoll_create1(2), eventfd(2) or timerfd_create(2).
 */
int osevent_new(osevent **made);

/*
 * Frees ev and closes its fd. No loop may still watch the fd, and no other call with ev may be in progress or follow.
 * NULL is not an error.
 *
 * -EBUSY: ev still hosts a ctx.
 */
int osevent_free(osevent *ev);

/*
 * Returns the fd. Watch it for input (POLLIN), level-triggered, and for nothing else. Do not read or close it. An
 * edge-triggered loop has to call osevent_dispatch until it returns 0.
 *
 * A loop that sleeps on the fd need not be woken when another thread makes libxl register something.
 */
int osevent_fd(const osevent *ev);

/*
 * Makes the occurrences that are due (calls into libxl) and returns their number. It does not wait. It begins no new
 * round after 64 occurrences or 2 ms, so that other sources of the loop get their turn, and leaves the fd readable if
 * something is left. A single occurrence can take seconds, for instance while libxl builds a domain.
 *
 * The result 0 means that nothing is left, and that whatever becomes due from then on is a new edge of the fd. If
 * something is left but libxl was not called, because its ctx is being closed, the result is 1.
 *
 * libxl calls the program's callbacks inside this function, on the calling thread, and inside other calls into libxl.
 *
 * -EDEADLK: called inside libxl, that is, in one of its callbacks or between osevent_enter and osevent_leave (E2).
 * -EBADF or another errno: other code in the process has closed the fds of ev.
 */
int osevent_dispatch(osevent *ev);

/* libxl's functions, as osevent_host fills it in. */
struct osevent_libxl {
    void (*register_hooks)(libxl_ctx *ctx, const libxl_osevent_hooks *hooks, void *user);
    void (*occurred_fd)(libxl_ctx *ctx, void *for_libxl, int fd, short events, short revents);
    void (*occurred_timeout)(libxl_ctx *ctx, void *for_libxl);
    int (*ctx_free)(libxl_ctx *ctx);
    /* Nonzero for Xen 4.2, which does not tolerate an occurrence after its deregistration (O2, O3). */
    int serialized;
};

/*
 * osevent_host with functions other than those the program is linked with.
 *
 * -EINVAL: one of them is NULL.
 */
int osevent_host_libxl(osevent *ev, libxl_ctx *ctx, const struct osevent_libxl *libxl);

/*
 * Hosts the ctx. From now on osevent frees it. Call this right after libxl_ctx_alloc, before any other function is
 * called with the ctx: libxl_childproc_setmode may register an fd, and libxl_osevent_register_hooks then fails an
 * assertion (X1). The logger of the ctx, and the other hooks that the program passes to libxl, must outlive the ctx:
 * keep them until osevent_wait has returned 0. After a failure, the caller still has to free the ctx.
 *
 * -EEXIST: ev already hosts the ctx.
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
 * Begins calls into libxl with this ctx on this thread. The ctx is not freed before the matching osevent_leave. Pairs
 * nest. Inside a callback of libxl the ctx cannot be freed anyway.
 *
 * This is needed for every call during which osevent_close may be called, on another thread or in a callback that libxl
 * makes in the call. Other programs do not need it, except with Xen 4.2. With Xen 4.2 every call with a hosted ctx must
 * be between osevent_enter and osevent_leave; a call outside that registers something fails with
 * ERROR_OSEVENT_REG_FAIL (-12).
 *
 * -ESHUTDOWN: osevent_close was called. -ENOENT: the ctx is not hosted, or no longer; its pointer must not be used.
 */
int osevent_enter(osevent *ev, libxl_ctx *ctx);

/*
 * Ends what osevent_enter began. If osevent_close was called meanwhile, this may free the ctx. As with a mutex, a thread
 * that exits without osevent_leave remains inside, and the ctx is never freed.
 *
 * -EPERM: this thread has no matching osevent_enter.
 */
int osevent_leave(osevent *ev, libxl_ctx *ctx);

/*
 * Closes the ctx: no new call into libxl can begin with it, and it is freed (libxl_ctx_free) when the calls in progress
 * have ended (X4). The result is 0 if this thread has freed it. This may be called in a callback of libxl (X5), if
 * osevent_dispatch, or a call between osevent_enter and osevent_leave, makes the callback.
 *
 * All operations must have ended, that is, their callbacks must have been called: libxl asserts it (X3). Abort them
 * (libxl_ao_abort) and dispatch until they have ended. The callback of the last operation is a good place to close.
 * Event generators (libxl_evenable_...) are freed with the ctx. Events that libxl has passed to the program must be
 * freed before (libxl_event_free).
 *
 * -EINPROGRESS: a thread is inside libxl (this one, if called in a callback) and will free the ctx when it returns;
 * osevent_wait waits for it. A second call returns the same. -ENOENT: the ctx is not hosted, or no longer.
 */
int osevent_close(osevent *ev, libxl_ctx *ctx);

/*
 * Waits until the ctx is not hosted. The result is 0 if it has been freed or was never hosted. It waits at most
 * timeout_ms milliseconds; 0 does not wait, and a negative number means no limit. It does not dispatch: the loop need
 * not run for a ctx to be freed, but operations only end while the loop runs.
 *
 * A ctx is identified by its address. After it has been freed, libxl_ctx_alloc may return the same address for a new
 * ctx. If that is hosted, this waits for the new one. So wait before another thread may host a ctx, or use the result
 * of osevent_close.
 *
 * -ETIMEDOUT: the ctx is still hosted. -EDEADLK: called inside libxl, so it would wait for itself.
 */
int osevent_wait(osevent *ev, libxl_ctx *ctx, int timeout_ms);

/*
 * Describes the last failure of a hook as text: which hook, its arguments, and the reason. libxl itself only reports a
 * number (ERROR_OSEVENT_REG_FAIL, or an errno of epoll), and nothing for the hooks that end a registration. The text is
 * discarded afterwards, so that the next call describes a newer failure.
 *
 * Writes at most size bytes, including the NUL, and returns the length of the whole text, as snprintf(3). The result is 0
 * if no hook of this ctx has failed since the last call. -ENOENT: the ctx is not hosted, or no longer.
 */
int osevent_refusal(osevent *ev, libxl_ctx *ctx, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
