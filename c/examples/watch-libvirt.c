/*
 * Prints the shutdown and death of the given domains until all are gone, with libxl in libvirt's event loop: as libvirt's
 * own driver for libxl could do it (docs/libvirt.md).
 *
 *     cc -o watch-libvirt watch-libvirt.c $(pkg-config --cflags --libs osevent xentoollog libvirt)
 *     ./watch-libvirt DOMID...
 *
 * It needs root in a Xen dom0. SIGINT and SIGTERM end it earlier.
 */
#include <libvirt/libvirt.h>
#include <osevent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static libxl_ctx *ctx;
/* How many of the domains exist. */
static int left;
/* A negative errno, if the loop failed. */
static int error;
static bool ended, freed;

/* libxl calls this inside osevent_dispatch. */
static void event_occurs(void *user, libxl_event *event)
{
    (void)user;
    if (event->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN)
        printf("domain %u has shut down: %s\n", event->domid,
               libxl_shutdown_reason_to_string(event->u.domain_shutdown.shutdown_reason));
    if (event->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH) {
        printf("domain %u is gone\n", event->domid);
        ended = --left == 0;
    }
    libxl_event_free(ctx, event);
}

/* All fds and timeouts of libxl are behind this fd. */
static void on_readable(int watch, int fd, int events, void *ev)
{
    (void)watch, (void)fd, (void)events;
    int done = osevent_dispatch(ev);
    if (done < 0) {
        error = done;
        ended = true;
    }
}

/* libvirt calls this when the handle is removed and on_readable has returned for the last time. */
static void on_removed(void *ev)
{
    osevent_free(ev);
    freed = true;
}

static void on_signal(int watch, int fd, int events, void *user)
{
    (void)watch, (void)fd, (void)events, (void)user;
    ended = true;
}

static int fail(const char *what)
{
    fprintf(stderr, "watch-libvirt: %s\n", what);
    return 2;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    if (virEventRegisterDefaultImpl() < 0 ||
        virEventAddHandle(signals, VIR_EVENT_HANDLE_READABLE, on_signal, NULL, NULL) < 0)
        return fail("no event loop of libvirt's");

    xentoollog_logger *logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!logger || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, logger))
        return fail("no libxl: is this root in a Xen dom0?");
    osevent *ev;
    if (osevent_new(&ev))
        return fail("osevent_new: are too many files open?");
    int watch = virEventAddHandle(osevent_fd(ev), VIR_EVENT_HANDLE_READABLE, on_readable, ev, on_removed);
    /* In place of libxl_osevent_register_hooks. */
    if (watch < 0 || osevent_host(ev, ctx))
        return fail("cannot host libxl");
    static const libxl_event_hooks hooks = { .event_occurs_mask = LIBXL_EVENTMASK_ALL, .event_occurs = event_occurs };
    libxl_event_register_callbacks(ctx, &hooks, NULL);

    for (int i = 1; i < argc; i++) {
        libxl_evgen_domain_death *evgen;
        if (libxl_evenable_domain_death(ctx, atoi(argv[i]), 0, &evgen) == 0)
            left++;
    }
    while (left > 0 && !ended)
        virEventRunDefaultImpl();

    /* In place of libxl_ctx_free. The logger may go when the ctx is freed, which another thread inside libxl would do. */
    osevent_close(ev, ctx);
    osevent_wait(ev, ctx, -1);
    virEventRemoveHandle(watch);
    while (!freed)
        virEventRunDefaultImpl();
    xtl_logger_destroy(logger);
    if (error)
        fprintf(stderr, "watch-libvirt: the loop: %s\n", strerror(-error));
    return error ? 2 : 0;
}
