/*
 * Prints the shutdown and death of the given domains until all are gone, with libxl in a loop of poll(2).
 *
 *     cc -o watch-poll watch-poll.c -losevent -lxenlight -lxentoollog
 *     ./watch-poll DOMID...
 *
 * It needs root in a Xen dom0. SIGINT and SIGTERM end it earlier.
 */
#include <errno.h>
#include <osevent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* How many of the domains exist. */
static int left;

static void print(libxl_ctx *ctx, libxl_event *event)
{
    if (event->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN)
        printf("domain %u has shut down: %s\n", event->domid,
               libxl_shutdown_reason_to_string(event->u.domain_shutdown.shutdown_reason));
    if (event->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH) {
        printf("domain %u is gone\n", event->domid);
        left--;
    }
    libxl_event_free(ctx, event);
}

/* The loop: an fd of the program, and the fd of osevent. Returns 0 or a negative errno. */
static int run(osevent *ev, libxl_ctx *ctx, int signals)
{
    struct pollfd fds[] = {
        { .fd = osevent_fd(ev), .events = POLLIN },
        { .fd = signals, .events = POLLIN },
    };
    while (left > 0 && !fds[1].revents) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return -errno;
        if (fds[0].revents) {
            int done = osevent_dispatch(ev);
            if (done < 0)
                return done;
        }
        libxl_event *event;
        while (libxl_event_check(ctx, &event, LIBXL_EVENTMASK_ALL, NULL, NULL) == 0)
            print(ctx, event);
    }
    return 0;
}

static int fail(const char *what, int error)
{
    fprintf(stderr, "watch-poll: %s: %s\n", what, strerror(-error));
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
    if (signals < 0)
        return fail("signalfd", -errno);

    osevent *ev;
    int error = osevent_new(&ev);
    if (error)
        return fail("osevent_new", error);
    xentoollog_logger *logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    libxl_ctx *ctx;
    if (!logger || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, logger)) {
        fprintf(stderr, "watch-poll: no libxl: is this root in a Xen dom0?\n");
        return 2;
    }
    /* Right after libxl_ctx_alloc, before any other call with the ctx. */
    error = osevent_host(ev, ctx);
    if (error)
        return fail("osevent_host", error);

    for (int i = 1; i < argc; i++) {
        libxl_evgen_domain_death *watch;
        if (libxl_evenable_domain_death(ctx, atoi(argv[i]), 0, &watch) == 0)
            left++;
    }
    error = run(ev, ctx, signals);

    /* Instead of libxl_ctx_free. No other thread is inside libxl, so the ctx is freed when this returns. */
    osevent_close(ev, ctx);
    osevent_free(ev);
    xtl_logger_destroy(logger);
    close(signals);
    return error ? fail("the loop", error) : 0;
}
