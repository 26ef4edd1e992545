/*
 * osevent-glib.h on a main context that runs a second time in a callback, between osevent_enter and osevent_leave, and in
 * a forked child.
 */
#include "check.h"
#include <osevent-glib.h>
#include <poll.h>
#include <sys/wait.h>

static osevent *ev;
static GMainContext *context;
static const libxl_osevent_hooks *hooks;
static void *hooks_user;
static int occurrences, nested;

/* A timeout that is due, so that the fd is readable when this returns. */
static void add_timeout(void)
{
    void *handle;
    struct timeval asap = { 0, 0 };
    CHECK(hooks->timeout_register(hooks_user, &handle, asap, &occurrences) == 0);
    struct pollfd fd = { .fd = osevent_fd(ev), .events = POLLIN };
    CHECK(poll(&fd, 1, 60000) == 1);
}

static void note_hooks(libxl_ctx *ctx, const libxl_osevent_hooks *given, void *user)
{
    (void)ctx;
    hooks = given;
    hooks_user = user;
}

static void note_fd(libxl_ctx *ctx, void *for_libxl, int fd, short events, short revents)
{
    (void)ctx, (void)for_libxl, (void)fd, (void)events, (void)revents;
}

/* As a program's callback would do that opens a dialog. */
static void run_the_context_in_the_first(libxl_ctx *ctx, void *for_libxl)
{
    (void)ctx, (void)for_libxl;
    if (occurrences++ == 0) {
        add_timeout();
        CHECK(!g_main_context_iteration(context, FALSE));
        nested = occurrences;
    }
}

static int note_free(libxl_ctx *ctx)
{
    (void)ctx;
    return 0;
}

static const struct osevent_libxl noting = { note_hooks, note_fd, run_the_context_in_the_first, note_free, 0 };

/* An address, and nothing else. */
#define NO_CTX ((libxl_ctx *)&noting)

int main(void)
{
    alarm(120);
    context = g_main_context_new();
    CHECK(osevent_new(&ev) == 0 && osevent_host_libxl(ev, NO_CTX, &noting) == 0);
    GSource *source = osevent_attach(ev, context);

    add_timeout();
    while (occurrences < 2)
        g_main_context_iteration(context, TRUE);
    CHECK(nested == 1);

    CHECK(osevent_enter(ev, NO_CTX) == 0);
    add_timeout();
    g_main_context_iteration(context, TRUE);
    CHECK(occurrences == 2 && !g_source_is_destroyed(source));
    CHECK(osevent_leave(ev, NO_CTX) == 0);
    g_main_context_iteration(context, TRUE);
    CHECK(occurrences == 3);

    add_timeout();
    pid_t child = fork();
    if (child == 0) {
        g_main_context_iteration(context, TRUE);
        _exit(!g_source_is_destroyed(source));
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    g_main_context_iteration(context, TRUE);
    CHECK(occurrences == 4 && !g_source_is_destroyed(source));

    CHECK(osevent_close(ev, NO_CTX) == 0);
    g_source_destroy(source);
    g_source_unref(source);
    CHECK(osevent_free(ev) == 0);
    g_main_context_unref(context);
    return 0;
}
