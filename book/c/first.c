/*
 * Destroys a domain, with libxl in a loop of poll(2).
 *
 *     cc -o first first.c $(pkg-config --cflags --libs osevent) -lxentoollog
 *     ./first NAME
 */
#include <errno.h>
#include <libxl_utils.h>
#include <osevent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

struct end {
    int has_come, rc;
};

/* libxl calls this inside a dispatch, or inside the call that begins the operation. */
static void on_end(libxl_ctx *ctx, int rc, void *user)
{
    (void)ctx;
    *(struct end *)user = (struct end){ .has_come = 1, .rc = rc };
}

static int fail(const char *what, int error)
{
    fprintf(stderr, "first: %s: %s\n", what, strerror(-error));
    return 2;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return fail("the name of a domain is missing", -EINVAL);

    osevent *ev;
    int error = osevent_new(&ev);
    if (error)
        return fail("osevent_new", error);
    xentoollog_logger *logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    libxl_ctx *ctx;
    if (!logger || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, logger))
        return fail("no libxl: is this root in a Xen dom0?", -ENODEV);
    /* Right after libxl_ctx_alloc, before any other call with the ctx. */
    error = osevent_host(ev, ctx);
    if (error)
        return fail("osevent_host", error);

    uint32_t domid;
    if (libxl_name_to_domid(ctx, argv[1], &domid))
        return fail(argv[1], -ESRCH);

    /* Never NULL in place of `how`: libxl would block in a loop of its own. */
    struct end end = { 0 };
    libxl_asyncop_how how = { .callback = on_end, .u.for_callback = &end };
    if (libxl_domain_destroy(ctx, domid, &how))
        return fail("libxl_domain_destroy", -EIO);

    /* Your loop. The fd is readable when libxl has something to do. */
    struct pollfd fd = { .fd = osevent_fd(ev), .events = POLLIN };
    while (!end.has_come) {
        if (poll(&fd, 1, -1) < 0 && errno != EINTR)
            return fail("poll", -errno);
        int done = osevent_dispatch(ev);
        if (done < 0)
            return fail("osevent_dispatch", done);
    }
    if (end.rc == 0)
        printf("%s is gone\n", argv[1]);

    /* Instead of libxl_ctx_free. No other thread is inside libxl, so the ctx is freed when this returns. */
    osevent_close(ev, ctx);
    osevent_free(ev);
    xtl_logger_destroy(logger);
    return end.rc ? 1 : 0;
}
