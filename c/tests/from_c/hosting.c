/*
 * What a C program can do right and wrong with osevent.h: each case by its name, on a machine with the domain 5.
 */
#define _GNU_SOURCE
#include "check.h"
#include <errno.h>
#include <osevent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

/* The stand-in's. */
int osevent_xencall_set_domain(uint32_t domid, uint32_t flags) __attribute__((weak));
int64_t osevent_xencall_domain(uint32_t domid) __attribute__((weak));

enum { DOMID = 5 };

static xentoollog_logger *logger;

static libxl_ctx *open_ctx(void)
{
    libxl_ctx *ctx = NULL;
    CHECK(libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, logger) == 0);
    return ctx;
}

static osevent *new_osevent(void)
{
    osevent *ev = NULL;
    CHECK(osevent_new(&ev) == 0);
    return ev;
}

/* Waits until there is something to do, and does it. */
static void turn(osevent *ev)
{
    struct pollfd fd = { .fd = osevent_fd(ev), .events = POLLIN };
    CHECK(poll(&fd, 1, 60000) == 1);
    CHECK(osevent_dispatch(ev) >= 0);
}

/* A libxl that only notes what it is told. */

static const libxl_osevent_hooks *hooks;
static void *hooks_user;
static int frees, fd_occurrences, timeout_occurrences;
static short last_events, last_revents;
static void *last_for_libxl;

static void note_hooks(libxl_ctx *ctx, const libxl_osevent_hooks *given, void *user)
{
    (void)ctx;
    hooks = given;
    hooks_user = user;
}

static void note_fd(libxl_ctx *ctx, void *for_libxl, int fd, short events, short revents)
{
    (void)ctx, (void)fd;
    fd_occurrences++;
    last_for_libxl = for_libxl;
    last_events = events;
    last_revents = revents;
}

static void note_timeout(libxl_ctx *ctx, void *for_libxl)
{
    (void)ctx;
    timeout_occurrences++;
    last_for_libxl = for_libxl;
}

static pid_t process;

static int note_free(libxl_ctx *ctx)
{
    (void)ctx;
    CHECK(getpid() == process);
    frees++;
    return 0;
}

static const struct osevent_libxl noting = { note_hooks, note_fd, note_timeout, note_free, 0 };

/* An address, and nothing else. */
#define NO_CTX ((libxl_ctx *)&noting)

static void null_pointers(void)
{
    osevent *ev = new_osevent();
    libxl_ctx *ctx = open_ctx();
    CHECK(osevent_new(NULL) == -EINVAL);
    CHECK(osevent_free(NULL) == 0);
    CHECK(osevent_fd(NULL) == -EINVAL);
    CHECK(osevent_dispatch(NULL) == -EINVAL);
    CHECK(osevent_host(NULL, ctx) == -EINVAL && osevent_host(ev, NULL) == -EINVAL);
    CHECK(osevent_host_libxl(ev, ctx, NULL) == -EINVAL);
    struct osevent_libxl lacking[4] = { noting, noting, noting, noting };
    lacking[0].register_hooks = NULL;
    lacking[1].occurred_fd = NULL;
    lacking[2].occurred_timeout = NULL;
    lacking[3].ctx_free = NULL;
    for (int i = 0; i < 4; i++)
        CHECK(osevent_host_libxl(ev, ctx, &lacking[i]) == -EINVAL);
    CHECK(osevent_enter(NULL, ctx) == -EINVAL && osevent_enter(ev, NULL) == -EINVAL);
    CHECK(osevent_leave(NULL, ctx) == -EINVAL && osevent_leave(ev, NULL) == -EINVAL);
    CHECK(osevent_close(NULL, ctx) == -EINVAL && osevent_close(ev, NULL) == -EINVAL);
    CHECK(osevent_wait(NULL, ctx, 0) == -EINVAL && osevent_wait(ev, NULL, 0) == -EINVAL);
    CHECK(osevent_refusal(NULL, ctx, NULL, 0) == -EINVAL && osevent_refusal(ev, NULL, NULL, 0) == -EINVAL);
    /* Nothing of this has changed anything. */
    CHECK(osevent_host(ev, ctx) == 0 && osevent_close(ev, ctx) == 0 && osevent_free(ev) == 0);
}

static void too_many_files(void)
{
    int next = dup(0);
    close(next);
    for (int spare = 0; spare < 3; spare++) {
        struct rlimit before, limit;
        getrlimit(RLIMIT_NOFILE, &before);
        limit = before;
        limit.rlim_cur = next + spare;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        osevent *ev = NULL;
        CHECK(osevent_new(&ev) == -EMFILE && !ev);
        setrlimit(RLIMIT_NOFILE, &before);
        int again = dup(0);
        CHECK(again == next);
        close(again);
    }
}

static void hosted_twice(void)
{
    osevent *ev = new_osevent();
    libxl_ctx *ctx = open_ctx();
    CHECK(osevent_host(ev, ctx) == 0);
    CHECK(osevent_host(ev, ctx) == -EEXIST);
    CHECK(osevent_free(ev) == -EBUSY);
    CHECK(osevent_close(ev, ctx) == 0);
    CHECK(osevent_free(ev) == 0);
}

static void closed_twice(void)
{
    osevent *ev = new_osevent();
    libxl_ctx *ctx = open_ctx();
    CHECK(osevent_host(ev, ctx) == 0);
    CHECK(osevent_wait(ev, ctx, 0) == -ETIMEDOUT);
    CHECK(osevent_close(ev, ctx) == 0);
    CHECK(osevent_close(ev, ctx) == -ENOENT);
    CHECK(osevent_wait(ev, ctx, -1) == 0);
    CHECK(osevent_enter(ev, ctx) == -ENOENT);
    CHECK(osevent_leave(ev, ctx) == -EPERM);
    CHECK(osevent_dispatch(ev) == 0);
    CHECK(osevent_free(ev) == 0);
}

static void *look_from_outside(void *ev)
{
    CHECK(osevent_wait(ev, NO_CTX, 0) == -ETIMEDOUT);
    CHECK(osevent_wait(ev, NO_CTX, 20) == -ETIMEDOUT);
    CHECK(osevent_enter(ev, NO_CTX) == -ESHUTDOWN);
    CHECK(osevent_leave(ev, NO_CTX) == -EPERM);
    CHECK(osevent_close(ev, NO_CTX) == -EINPROGRESS);
    CHECK(osevent_dispatch(ev) == 0);
    CHECK(frees == 0);
    return NULL;
}

static void closed_while_inside(void)
{
    osevent *ev = new_osevent(), *other = new_osevent();
    CHECK(osevent_host_libxl(ev, NO_CTX, &noting) == 0);
    CHECK(osevent_leave(ev, NO_CTX) == -EPERM);
    CHECK(osevent_enter(ev, NO_CTX) == 0 && osevent_enter(ev, NO_CTX) == 0);
    CHECK(osevent_dispatch(ev) == -EDEADLK);
    CHECK(osevent_close(ev, NO_CTX) == -EINPROGRESS && osevent_close(ev, NO_CTX) == -EINPROGRESS);
    CHECK(osevent_enter(ev, NO_CTX) == -ESHUTDOWN);
    CHECK(osevent_wait(ev, NO_CTX, -1) == -EDEADLK);
    CHECK(osevent_free(ev) == -EBUSY);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, look_from_outside, ev) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(osevent_leave(other, NO_CTX) == -EPERM);
    CHECK(osevent_leave(ev, NO_CTX) == 0 && frees == 0);
    CHECK(osevent_leave(ev, NO_CTX) == 0 && frees == 1);
    CHECK(osevent_leave(ev, NO_CTX) == -EPERM);
    CHECK(osevent_wait(ev, NO_CTX, -1) == 0);
    CHECK(osevent_free(ev) == 0 && osevent_free(other) == 0);
}

struct waiter {
    osevent *ev;
    int limit_ms;
    atomic_int thread;
};

static void *wait_for_free(void *given)
{
    struct waiter *waiter = given;
    atomic_store(&waiter->thread, gettid());
    CHECK(osevent_wait(waiter->ev, NO_CTX, waiter->limit_ms) == 0);
    CHECK(frees == 1);
    return NULL;
}

/* The letter of proc(5): S for a thread that sleeps. */
static char state_of(int thread)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE *stat = fopen(path, "re");
    CHECK(stat && fgets(line, sizeof line, stat));
    fclose(stat);
    char *name_ends = strrchr(line, ')');
    CHECK(name_ends);
    return name_ends[2];
}

/* Each with a limit and without, and all woken by the one who leaves. */
static void several_wait(void)
{
    enum { WAITERS = 4 };
    osevent *ev = new_osevent();
    CHECK(osevent_host_libxl(ev, NO_CTX, &noting) == 0);
    CHECK(osevent_enter(ev, NO_CTX) == 0 && osevent_close(ev, NO_CTX) == -EINPROGRESS);
    struct waiter waiters[WAITERS];
    pthread_t threads[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){ .ev = ev, .limit_ms = i % 2 ? -1 : 90000 };
        CHECK(pthread_create(&threads[i], NULL, wait_for_free, &waiters[i]) == 0);
    }
    /* It says who it is before it waits, and has nothing else to sleep for. */
    for (int i = 0; i < WAITERS; i++)
        while (!atomic_load(&waiters[i].thread) || state_of(waiters[i].thread) != 'S')
            sched_yield();
    CHECK(frees == 0);
    CHECK(osevent_leave(ev, NO_CTX) == 0);
    for (int i = 0; i < WAITERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(osevent_free(ev) == 0);
}

static osevent *closing;
static int callbacks;

static void close_in_it(libxl_ctx *ctx, int rc, void *for_callback)
{
    (void)for_callback;
    callbacks++;
    CHECK(rc == 0);
    CHECK(osevent_dispatch(closing) == -EDEADLK);
    CHECK(osevent_wait(closing, ctx, -1) == -EDEADLK);
    CHECK(osevent_close(closing, ctx) == -EINPROGRESS);
}

static void closed_in_a_callback(void)
{
    closing = new_osevent();
    libxl_ctx *ctx = open_ctx();
    CHECK(osevent_host(closing, ctx) == 0);
    libxl_asyncop_how how = { .callback = close_in_it };
    CHECK(osevent_enter(closing, ctx) == 0);
    CHECK(libxl_domain_pause(ctx, DOMID, &how) == 0);
    CHECK(osevent_leave(closing, ctx) == 0);
    while (osevent_wait(closing, ctx, 0) == -ETIMEDOUT)
        turn(closing);
    CHECK(callbacks == 1);
    CHECK(osevent_free(closing) == 0);
}

static void *enter_and_end(void *ev)
{
    CHECK(osevent_enter(ev, NO_CTX) == 0);
    return NULL;
}

/* Neither the end of a thread nor exit(3) in a forked child, which runs the same destructors, frees the ctx. */
static void ends_without_leaving(void)
{
    osevent *ev = new_osevent();
    CHECK(osevent_host_libxl(ev, NO_CTX, &noting) == 0);
    CHECK(osevent_enter(ev, NO_CTX) == 0 && osevent_close(ev, NO_CTX) == -EINPROGRESS);
    pid_t child = fork();
    if (child == 0)
        exit(0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(osevent_leave(ev, NO_CTX) == 0 && frees == 1);

    CHECK(osevent_host_libxl(ev, NO_CTX, &noting) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, enter_and_end, ev) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(osevent_close(ev, NO_CTX) == -EINPROGRESS && frees == 1);
    CHECK(osevent_free(ev) == -EBUSY);
}

/* What a forked child asks for is refused, and what it frees goes on in the parent (X7). */
static void forked(void)
{
    osevent *ev = new_osevent(), *unused = new_osevent();
    CHECK(osevent_host_libxl(ev, NO_CTX, &noting) == 0);
    int ends[2], nexus;
    void *handle;
    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    CHECK(hooks->fd_register(hooks_user, ends[0], &handle, POLLIN, &nexus) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(osevent_fd(ev) == -EACCES && osevent_dispatch(ev) == -EACCES && fd_occurrences == 0);
        CHECK(osevent_enter(ev, NO_CTX) == -EACCES && osevent_leave(ev, NO_CTX) == -EACCES);
        CHECK(osevent_host_libxl(unused, NO_CTX, &noting) == -EACCES);
        hooks->fd_deregister(hooks_user, ends[0], handle);
        CHECK(osevent_close(ev, NO_CTX) == -EACCES && osevent_wait(ev, NO_CTX, -1) == -EACCES && frees == 0);
        CHECK(osevent_free(ev) == 0 && osevent_free(unused) == 0);
        osevent *own = new_osevent();
        CHECK(osevent_dispatch(own) == 0 && osevent_free(own) == 0);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(osevent_dispatch(ev) >= 1 && fd_occurrences >= 1 && last_for_libxl == &nexus);
    CHECK(osevent_close(ev, NO_CTX) == 0 && frees == 1);
    CHECK(osevent_free(ev) == 0 && osevent_free(unused) == 0);
    close(ends[0]);
    close(ends[1]);
}

static void two_ctxs(void)
{
    osevent *ev = new_osevent();
    libxl_ctx *one = open_ctx(), *two = open_ctx();
    CHECK(osevent_host(ev, one) == 0 && osevent_host(ev, two) == 0);
    libxl_evgen_domain_death *death;
    CHECK(libxl_evenable_domain_death(one, DOMID, 0, &death) == 0);
    CHECK(libxl_evenable_domain_death(two, DOMID + 1, 0, &death) == 0);
    CHECK(osevent_close(ev, one) == 0);
    CHECK(osevent_wait(ev, two, 0) == -ETIMEDOUT && osevent_free(ev) == -EBUSY);
    /* Domain 6 is not there, which the other one reports. */
    libxl_event *event;
    int rc;
    while ((rc = libxl_event_check(two, &event, LIBXL_EVENTMASK_ALL, NULL, NULL)) == ERROR_NOT_READY)
        turn(ev);
    CHECK(rc == 0 && event->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH && event->domid == DOMID + 1);
    libxl_event_free(two, event);
    CHECK(osevent_close(ev, two) == 0);
    CHECK(osevent_free(ev) == 0);
}

/* Fds and timeouts by the hooks, as libxl calls them: what poll(2) says arrives, and each timeout once. */
static void fds_and_timeouts(void)
{
    osevent *ev = new_osevent();
    CHECK(osevent_host_libxl(ev, NO_CTX, &noting) == 0 && hooks);
    int ends[2], nexus;
    CHECK(pipe(ends) == 0);
    void *handle;
    CHECK(hooks->fd_register(hooks_user, ends[1], &handle, 0, &nexus) == 0);
    CHECK(osevent_dispatch(ev) == 0);
    CHECK(hooks->fd_modify(hooks_user, ends[1], &handle, POLLOUT) == 0);
    CHECK(osevent_dispatch(ev) >= 1 && last_for_libxl == &nexus && last_events == POLLOUT && last_revents == POLLOUT);
    hooks->fd_deregister(hooks_user, ends[1], handle);
    CHECK(hooks->fd_register(hooks_user, ends[1], &handle, POLLOUT, &handle) == 0);
    CHECK(osevent_dispatch(ev) >= 1 && last_for_libxl == &handle && last_events == POLLOUT && last_revents == POLLOUT);
    hooks->fd_deregister(hooks_user, ends[1], handle);
    fd_occurrences = 0;
    CHECK(osevent_dispatch(ev) == 0 && fd_occurrences == 0);
    /* Wrong in every way, and harmless. */
    hooks->fd_deregister(hooks_user, ends[1], handle);
    hooks->timeout_deregister(hooks_user, &nexus);
    CHECK(hooks->fd_register(hooks_user, -1, &handle, POLLIN, &nexus) == ERROR_OSEVENT_REG_FAIL);
    CHECK(hooks->fd_register(hooks_user, ends[0], &handle, 0x400, &nexus) == ERROR_OSEVENT_REG_FAIL);

    struct timeval asap = { 0, 0 }, far = { 0x7fffffffffffffff, 999999 }, none = { 0, 1000000 };
    CHECK(hooks->timeout_register(hooks_user, &handle, none, &nexus) == ERROR_OSEVENT_REG_FAIL);
    CHECK(hooks->timeout_register(hooks_user, &handle, far, &nexus) == 0);
    CHECK(osevent_dispatch(ev) == 0 && timeout_occurrences == 0);
    CHECK(hooks->timeout_modify(hooks_user, &handle, asap) == 0);
    turn(ev);
    CHECK(timeout_occurrences == 1 && last_for_libxl == &nexus);
    CHECK(hooks->timeout_modify(hooks_user, &handle, asap) == 0);
    CHECK(osevent_dispatch(ev) == 0 && timeout_occurrences == 1);

    CHECK(osevent_close(ev, NO_CTX) == 0 && frees == 1);
    CHECK(osevent_free(ev) == 0);
    close(ends[0]);
    close(ends[1]);
}

/* Why a hook failed can be asked for, also where libxl is told nothing (R3). */
static void refusals(void)
{
    osevent *ev = new_osevent();
    char why[200];
    CHECK(osevent_refusal(ev, NO_CTX, why, sizeof why) == -ENOENT);
    CHECK(osevent_host_libxl(ev, NO_CTX, &noting) == 0);
    CHECK(osevent_refusal(ev, NO_CTX, why, sizeof why) == 0 && why[0] == '\0');

    int nexus;
    void *handle;
    CHECK(hooks->fd_register(hooks_user, -1, &handle, POLLIN, &nexus) == ERROR_OSEVENT_REG_FAIL);
    int length = osevent_refusal(ev, NO_CTX, why, sizeof why);
    CHECK(length > 0 && (size_t)length == strlen(why));
    CHECK(strcmp(why, "fd_register of fd -1 for 0x1: the client asked to watch fd -1, which is negative") == 0);
    CHECK(osevent_refusal(ev, NO_CTX, why, sizeof why) == 0);

    /* The hook has no result, so libxl goes on. */
    hooks->fd_deregister(hooks_user, 3, &nexus);
    CHECK(osevent_refusal(ev, NO_CTX, why, sizeof why) > 0 && strstr(why, "was never given out here"));

    /* A text that does not fit is cut, and its whole length told; nothing is written where there is no room. */
    CHECK(hooks->fd_register(hooks_user, -1, &handle, POLLIN, &nexus) == ERROR_OSEVENT_REG_FAIL);
    memset(why, '?', sizeof why);
    CHECK(osevent_refusal(ev, NO_CTX, why, 5) == length && strcmp(why, "fd_r") == 0 && why[5] == '?');
    CHECK(hooks->fd_register(hooks_user, -1, &handle, POLLIN, &nexus) == ERROR_OSEVENT_REG_FAIL);
    CHECK(osevent_refusal(ev, NO_CTX, NULL, 0) == length);

    CHECK(osevent_close(ev, NO_CTX) == 0);
    CHECK(osevent_refusal(ev, NO_CTX, why, sizeof why) == -ENOENT);
    CHECK(osevent_free(ev) == 0);
}

/* Xen 4.2: nothing is registered by a call that was not announced, and a timeout may be named by address (R13). */
static void serialized(void)
{
    struct osevent_libxl as_4_2 = noting;
    as_4_2.serialized = 1;
    osevent *ev = new_osevent();
    CHECK(osevent_host_libxl(ev, NO_CTX, &as_4_2) == 0);
    int nexus;
    void *handle;
    struct timeval asap = { 0, 0 };
    CHECK(hooks->timeout_register(hooks_user, &handle, asap, &nexus) == ERROR_OSEVENT_REG_FAIL);
    CHECK(osevent_enter(ev, NO_CTX) == 0);
    CHECK(hooks->timeout_register(hooks_user, &handle, asap, &nexus) == 0);
    hooks->timeout_deregister(hooks_user, &handle);
    CHECK(hooks->timeout_register(hooks_user, &handle, asap, &nexus) == 0);
    hooks->timeout_deregister(hooks_user, handle);
    CHECK(osevent_leave(ev, NO_CTX) == 0);
    CHECK(osevent_dispatch(ev) == 0 && timeout_occurrences == 0);
    CHECK(osevent_close(ev, NO_CTX) == 0);

    /* The same rule around the real libxl. */
    struct osevent_libxl real = { libxl_osevent_register_hooks, libxl_osevent_occurred_fd,
                                  libxl_osevent_occurred_timeout, libxl_ctx_free, 1 };
    libxl_ctx *ctx = open_ctx();
    libxl_evgen_domain_death *death;
    CHECK(osevent_host_libxl(ev, ctx, &real) == 0);
    CHECK(libxl_evenable_domain_death(ctx, DOMID + 1, 0, &death) == ERROR_OSEVENT_REG_FAIL);
    CHECK(osevent_enter(ev, ctx) == 0);
    CHECK(libxl_evenable_domain_death(ctx, DOMID + 1, 0, &death) == 0);
    CHECK(osevent_leave(ev, ctx) == 0);
    libxl_event *event;
    while (libxl_event_check(ctx, &event, LIBXL_EVENTMASK_ALL, NULL, NULL) == ERROR_NOT_READY)
        turn(ev);
    libxl_event_free(ctx, event);
    CHECK(osevent_close(ev, ctx) == 0);
    CHECK(osevent_free(ev) == 0);
}

static void note_result(libxl_ctx *ctx, int rc, void *for_callback)
{
    (void)ctx;
    callbacks++;
    *(int *)for_callback = rc;
}

/* Destroying a domain needs a child, whoever is told of its end. */
static void children(void)
{
    static const libxl_childproc_hooks owners[] = {
        { .chldowner = libxl_sigchld_owner_libxl },
        { .chldowner = libxl_sigchld_owner_libxl_always_selective_reap },
        { .chldowner = libxl_sigchld_owner_mainloop },
    };
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    osevent *ev = new_osevent();
    for (int i = 0; i < 3; i++) {
        int is_ours = owners[i].chldowner == libxl_sigchld_owner_mainloop;
        if (is_ours)
            CHECK(sigprocmask(SIG_BLOCK, &child, NULL) == 0);
        CHECK(osevent_xencall_set_domain(DOMID, 0) == 0);
        libxl_ctx *ctx = open_ctx();
        CHECK(osevent_host(ev, ctx) == 0);
        libxl_childproc_setmode(ctx, &owners[i], NULL);
        int rc = 1;
        libxl_asyncop_how how = { .callback = note_result, .u.for_callback = &rc };
        callbacks = 0;
        CHECK(libxl_domain_destroy(ctx, DOMID, &how) == 0);
        while (!callbacks) {
            struct pollfd fds[] = { { .fd = osevent_fd(ev), .events = POLLIN }, { .fd = signals, .events = POLLIN } };
            int ready = poll(fds, is_ours ? 2 : 1, 60000);
            CHECK(ready > 0 || (ready < 0 && errno == EINTR));
            struct signalfd_siginfo info;
            if (is_ours && read(signals, &info, sizeof info) == sizeof info)
                libxl_childproc_sigchld_occurred(ctx);
            CHECK(osevent_dispatch(ev) >= 0);
        }
        CHECK(callbacks == 1 && rc == 0 && osevent_xencall_domain(DOMID) == -1);
        CHECK(osevent_close(ev, ctx) == 0);
    }
    close(signals);
    CHECK(osevent_free(ev) == 0);
}

static osevent *shared;
static libxl_ctx *shared_ctx;
static atomic_int answers;

/* Calls libxl until it is closed. */
static void *call_on(void *unused)
{
    (void)unused;
    int entered;
    while ((entered = osevent_enter(shared, shared_ctx)) == 0) {
        libxl_evgen_domain_death *death;
        CHECK(libxl_evenable_domain_death(shared_ctx, DOMID, 0, &death) == 0);
        libxl_evdisable_domain_death(shared_ctx, death);
        libxl_dominfo info;
        libxl_dominfo_init(&info);
        CHECK(libxl_domain_info(shared_ctx, &info, DOMID) == 0);
        libxl_dominfo_dispose(&info);
        atomic_fetch_add(&answers, 1);
        CHECK(osevent_leave(shared, shared_ctx) == 0);
    }
    CHECK(entered == -ESHUTDOWN || entered == -ENOENT);
    return NULL;
}

/* Dispatches until it is closed. */
static void *dispatch_on(void *unused)
{
    (void)unused;
    while (osevent_wait(shared, shared_ctx, 0) == -ETIMEDOUT) {
        struct pollfd fd = { .fd = osevent_fd(shared), .events = POLLIN };
        poll(&fd, 1, 1);
        CHECK(osevent_dispatch(shared) >= 0);
    }
    return NULL;
}

static void threads_and_close(void)
{
    shared = new_osevent();
    for (int round = 0; round < 30; round++) {
        shared_ctx = open_ctx();
        CHECK(osevent_host(shared, shared_ctx) == 0);
        atomic_store(&answers, 0);
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            CHECK(pthread_create(&threads[i], NULL, i < 2 ? call_on : dispatch_on, NULL) == 0);
        /* Closed in the midst of it: the callers have been inside, and go on until they are refused. */
        while (atomic_load(&answers) < 2 + round)
            sched_yield();
        int closed = osevent_close(shared, shared_ctx);
        CHECK(closed == 0 || closed == -EINPROGRESS || closed == -ENOENT);
        CHECK(osevent_wait(shared, shared_ctx, 60000) == 0);
        for (int i = 0; i < 4; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(osevent_free(shared) == 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    { "null_pointers", null_pointers },
    { "too_many_files", too_many_files },
    { "hosted_twice", hosted_twice },
    { "closed_twice", closed_twice },
    { "closed_while_inside", closed_while_inside },
    { "several_wait", several_wait },
    { "closed_in_a_callback", closed_in_a_callback },
    { "ends_without_leaving", ends_without_leaving },
    { "forked", forked },
    { "two_ctxs", two_ctxs },
    { "fds_and_timeouts", fds_and_timeouts },
    { "refusals", refusals },
    { "serialized", serialized },
    { "children", children },
    { "threads_and_close", threads_and_close },
};

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    alarm(120);
    process = getpid();
    logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            xtl_logger_destroy(logger);
            return 0;
        }
    }
    CHECK(!"a case of that name");
}
