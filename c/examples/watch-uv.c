/*
 * Prints the shutdown and death of the given domains until all are gone, with libxl in a libuv loop.
 *
 *     cc -o watch-uv watch-uv.c -losevent -lxenlight -lxentoollog -luv
 *     ./watch-uv DOMID...
 *
 * It needs root in a Xen dom0. SIGINT and SIGTERM end it earlier.
 */
#include <osevent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct watch {
    uv_loop_t loop;
    osevent *ev;
    libxl_ctx *ctx;
    /* How many of the domains exist. */
    int left;
    /* A negative errno, if the loop failed. */
    int error;
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
            uv_stop(&watch->loop);
    }
    libxl_event_free(watch->ctx, event);
}

/* All fds and timeouts of libxl are behind this fd. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    (void)events;
    int done = status < 0 ? status : osevent_dispatch(watch->ev);
    if (done < 0) {
        watch->error = done;
        uv_stop(&watch->loop);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static void run(struct watch *watch)
{
    uv_poll_t poll;
    uv_signal_t interrupt, terminate;
    uv_poll_init(&watch->loop, &poll, osevent_fd(watch->ev));
    poll.data = watch;
    uv_poll_start(&poll, UV_READABLE, on_readable);
    uv_signal_init(&watch->loop, &interrupt);
    uv_signal_start(&interrupt, on_signal, SIGINT);
    uv_signal_init(&watch->loop, &terminate);
    uv_signal_start(&terminate, on_signal, SIGTERM);

    uv_run(&watch->loop, UV_RUN_DEFAULT);

    /* libuv releases the fd before osevent_free closes it. */
    uv_close((uv_handle_t *)&poll, NULL);
    uv_close((uv_handle_t *)&interrupt, NULL);
    uv_close((uv_handle_t *)&terminate, NULL);
    uv_run(&watch->loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct watch watch = { .left = 0 };
    if (uv_loop_init(&watch.loop) || osevent_new(&watch.ev)) {
        fprintf(stderr, "watch-uv: no loop: are too many files open?\n");
        return 2;
    }
    xentoollog_logger *logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!logger || libxl_ctx_alloc(&watch.ctx, LIBXL_VERSION, 0, logger)) {
        fprintf(stderr, "watch-uv: no libxl: is this root in a Xen dom0?\n");
        return 2;
    }
    /* Right after libxl_ctx_alloc, before any other call with the ctx. */
    int error = osevent_host(watch.ev, watch.ctx);
    if (error) {
        fprintf(stderr, "watch-uv: osevent_host: %s\n", strerror(-error));
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
        run(&watch);

    /* Instead of libxl_ctx_free. No other thread is inside libxl, so the ctx is freed when this returns. */
    osevent_close(watch.ev, watch.ctx);
    osevent_free(watch.ev);
    xtl_logger_destroy(logger);
    uv_loop_close(&watch.loop);
    if (watch.error)
        fprintf(stderr, "watch-uv: the loop: %s\n", strerror(-watch.error));
    return watch.error ? 2 : 0;
}
