/*
 * Prints the shutdown and death of the given domains until all are gone, with libxl in an sd-event loop.
 *
 *     cc -o watch-sd-event watch-sd-event.c -losevent -lxenlight -lxentoollog -lsystemd
 *     ./watch-sd-event DOMID...
 *
 * It needs root in a Xen dom0. SIGINT and SIGTERM end it earlier.
 */
#include <osevent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

struct watch {
    sd_event *loop;
    osevent *ev;
    libxl_ctx *ctx;
    /* How many of the domains exist. */
    int left;
};

/* libxl calls this inside osevent_dispatch. */
static void event_occurs(void *user, libxl_event *event)
{
    struct watch *watch = user;
    if (event->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN)
        printf("domain %u has shut down: %s\n", event->domid,
               libxl_shutdown_reason_to_string(event->u.domain_shutdown.shutdown_reason));
    if (event->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH) {
        printf("domain %u is gone\n", event->domid);
        if (--watch->left == 0)
            sd_event_exit(watch->loop, 0);
    }
    libxl_event_free(watch->ctx, event);
}

/* All fds and timeouts of libxl are behind this fd. */
static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *user)
{
    struct watch *watch = user;
    (void)source, (void)fd, (void)revents;
    int done = osevent_dispatch(watch->ev);
    return done < 0 ? sd_event_exit(watch->loop, done) : 0;
}

/* Runs the loop. Returns 0 or a negative errno. */
static int run(struct watch *watch)
{
    /* Floating sources: the loop owns them until its end. A signal without a handler ends the loop. */
    int error = sd_event_add_io(watch->loop, NULL, osevent_fd(watch->ev), EPOLLIN, on_readable, watch);
    if (error >= 0)
        error = sd_event_add_signal(watch->loop, NULL, SIGINT, NULL, NULL);
    if (error >= 0)
        error = sd_event_add_signal(watch->loop, NULL, SIGTERM, NULL, NULL);
    return error < 0 ? error : sd_event_loop(watch->loop);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigprocmask(SIG_BLOCK, &ending, NULL);

    struct watch watch = { .left = 0 };
    if (sd_event_new(&watch.loop) < 0 || osevent_new(&watch.ev)) {
        fprintf(stderr, "watch-sd-event: no loop: are too many files open?\n");
        return 2;
    }
    xentoollog_logger *logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!logger || libxl_ctx_alloc(&watch.ctx, LIBXL_VERSION, 0, logger)) {
        fprintf(stderr, "watch-sd-event: no libxl: is this root in a Xen dom0?\n");
        return 2;
    }
    /* Right after libxl_ctx_alloc, before any other call with the ctx. */
    int error = osevent_host(watch.ev, watch.ctx);
    if (error) {
        fprintf(stderr, "watch-sd-event: osevent_host: %s\n", strerror(-error));
        return 2;
    }
    static const libxl_event_hooks hooks = { .event_occurs_mask = LIBXL_EVENTMASK_ALL, .event_occurs = event_occurs };
    libxl_event_register_callbacks(watch.ctx, &hooks, &watch);

    for (int i = 1; i < argc; i++) {
        libxl_evgen_domain_death *evgen;
        if (libxl_evenable_domain_death(watch.ctx, atoi(argv[i]), 0, &evgen) == 0)
            watch.left++;
    }
    if (watch.left > 0)
        error = run(&watch);

    /* Instead of libxl_ctx_free. No other thread is inside libxl, so the ctx is freed when this returns. */
    osevent_close(watch.ev, watch.ctx);
    /* The loop releases the fd before osevent_free closes it. */
    sd_event_unref(watch.loop);
    osevent_free(watch.ev);
    xtl_logger_destroy(logger);
    if (error)
        fprintf(stderr, "watch-sd-event: the loop: %s\n", strerror(-error));
    return error ? 2 : 0;
}
