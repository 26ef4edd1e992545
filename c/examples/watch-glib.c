/*
 * Prints the shutdown and death of the given domains until all are gone, with libxl in a main loop of GLib.
 *
 *     cc -o watch-glib watch-glib.c $(pkg-config --cflags --libs osevent-glib xentoollog)
 *     ./watch-glib DOMID...
 *
 * It needs root in a Xen dom0. SIGINT and SIGTERM end it earlier.
 */
#include <osevent-glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    GMainLoop *loop;
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
            g_main_loop_quit(watch->loop);
    }
    libxl_event_free(watch->ctx, event);
}

static gboolean on_signal(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct watch watch = { .loop = g_main_loop_new(NULL, FALSE) };
    osevent *ev;
    int error = osevent_new(&ev);
    if (error) {
        fprintf(stderr, "watch-glib: osevent_new: %s\n", strerror(-error));
        return 2;
    }
    xentoollog_logger *logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!logger || libxl_ctx_alloc(&watch.ctx, LIBXL_VERSION, 0, logger)) {
        fprintf(stderr, "watch-glib: no libxl: is this root in a Xen dom0?\n");
        return 2;
    }
    /* Right after libxl_ctx_alloc, before any other call with the ctx. */
    error = osevent_host(ev, watch.ctx);
    if (error) {
        fprintf(stderr, "watch-glib: osevent_host: %s\n", strerror(-error));
        return 2;
    }
    static const libxl_event_hooks hooks = { .event_occurs_mask = LIBXL_EVENTMASK_ALL, .event_occurs = event_occurs };
    libxl_event_register_callbacks(watch.ctx, &hooks, &watch);
    GSource *source = osevent_attach(ev, NULL);

    for (int i = 1; i < argc; i++) {
        libxl_evgen_domain_death *evgen;
        if (libxl_evenable_domain_death(watch.ctx, atoi(argv[i]), 0, &evgen) == 0)
            watch.left++;
    }
    g_unix_signal_add(SIGINT, on_signal, watch.loop);
    g_unix_signal_add(SIGTERM, on_signal, watch.loop);
    if (watch.left > 0)
        g_main_loop_run(watch.loop);

    /* Instead of libxl_ctx_free. No other thread is inside libxl, so the ctx is freed when this returns. */
    osevent_close(ev, watch.ctx);
    /* GLib releases the fd before osevent_free closes it. */
    g_source_destroy(source);
    g_source_unref(source);
    osevent_free(ev);
    xtl_logger_destroy(logger);
    g_main_loop_unref(watch.loop);
    return 0;
}
