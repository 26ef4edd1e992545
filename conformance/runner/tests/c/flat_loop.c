/* A loop that does not call for an fd while a call for it lasts, as a GLib source that cannot recurse: poll_loop.c with that fault. */
#define osevent_loop_watch sound_watch
#include "poll_loop.c"
#undef osevent_loop_watch

struct guarded {
    void (*readable)(void *data);
    void *data;
    int inside;
};

/* On the loop's thread alone. */
static void guard(void *data)
{
    struct guarded *guarded = data;
    if (guarded->inside)
        return;
    guarded->inside = 1;
    guarded->readable(guarded->data);
    guarded->inside = 0;
}

/* Not freed: a call may come late. */
void *osevent_loop_watch(int fd, void (*readable)(void *data), void *data)
{
    struct guarded *guarded = malloc(sizeof *guarded);
    *guarded = (struct guarded){ .readable = readable, .data = data };
    return sound_watch(fd, guard, guarded);
}
