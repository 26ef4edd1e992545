/* A loop that takes everything and calls nobody. */
#include "osevent_loop.h"

static int taken;

void *osevent_loop_watch(int fd, void (*readable)(void *data), void *data)
{
    (void)fd;
    (void)readable;
    (void)data;
    return &taken;
}

void osevent_loop_unwatch(void *watch)
{
    (void)watch;
}
