/* A loop in C as short as it gets: a thread in poll(2), a table, a lock that is never held across a callback. */
#define _GNU_SOURCE
#include "osevent_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 256

struct watch {
    int fd;
    uintptr_t number;
    void (*readable)(void *data);
    void *data;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct watch watches[MOST];
static uintptr_t count;
static int wake[2];
static int failure;

/* Numbers are never used twice, so that a stale one finds nothing. */
static struct watch *find(uintptr_t number)
{
    for (int at = 0; at < MOST; at++)
        if (watches[at].number == number)
            return &watches[at];
    return NULL;
}

static void notify(void)
{
    /* Full: it will wake as it is. */
    ssize_t written = write(wake[1], "", 1);
    (void)written;
}

static void turn(int timeout)
{
    struct pollfd fds[MOST + 1];
    uintptr_t numbers[MOST + 1];
    nfds_t polled = 1;
    char drain[64];
    fds[0] = (struct pollfd){ .fd = wake[0], .events = POLLIN };
    pthread_mutex_lock(&lock);
    for (int at = 0; at < MOST; at++) {
        if (!watches[at].number)
            continue;
        fds[polled] = (struct pollfd){ .fd = watches[at].fd, .events = POLLIN };
        numbers[polled++] = watches[at].number;
    }
    pthread_mutex_unlock(&lock);
    if (poll(fds, polled, timeout) < 0)
        return;
    while (read(wake[0], drain, sizeof drain) > 0)
        ;
    for (nfds_t at = 1; at < polled; at++) {
        struct watch *found, ready;
        if (!fds[at].revents)
            continue;
        pthread_mutex_lock(&lock);
        found = find(numbers[at]);
        if (found)
            ready = *found;
        pthread_mutex_unlock(&lock);
        if (found)
            ready.readable(ready.data);
    }
}

static void *run(void *unused)
{
    (void)unused;
    for (;;)
        turn(-1);
    return NULL;
}

/* A turn inside a callback: what was ready in the turn around it may have been served here. */
void osevent_loop_turn(void)
{
    turn(0);
}

static void start(void)
{
    pthread_t thread;
    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK)) {
        failure = errno;
        return;
    }
    failure = pthread_create(&thread, NULL, run, NULL);
    if (!failure)
        pthread_detach(thread);
}

void *osevent_loop_watch(int fd, void (*readable)(void *data), void *data)
{
    struct watch *place;
    uintptr_t number = 0;
    pthread_once(&once, start);
    if (failure) {
        errno = failure;
        return NULL;
    }
    pthread_mutex_lock(&lock);
    place = find(0);
    if (place) {
        number = ++count;
        *place = (struct watch){ .fd = fd, .number = number, .readable = readable, .data = data };
    }
    pthread_mutex_unlock(&lock);
    if (!place)
        errno = ENOSPC;
    else
        notify();
    return (void *)number;
}

void osevent_loop_unwatch(void *watch)
{
    struct watch *found;
    pthread_mutex_lock(&lock);
    found = find((uintptr_t)watch);
    if (found)
        found->number = 0;
    pthread_mutex_unlock(&lock);
    notify();
}
