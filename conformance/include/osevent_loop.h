/*
 * The interface of an event loop that osevent-conformance tests.
 *
 * Build a shared object that defines the first two functions below, and pass it to the suite:
 *
 *     cc -shared -fPIC -pthread -o myloop.so myloop.c
 *     osevent-conformance --loop ./myloop.so
 *
 * The shared object starts a thread for the loop, at the latest when the first fd is watched, and runs the loop only
 * there. The shared object is never unloaded. Several fds can be watched at the same time, each fd once.
 */
#ifndef OSEVENT_LOOP_H
#define OSEVENT_LOOP_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Watches fd, and calls readable(data) on the loop's thread while the fd is readable (POLLIN, level-triggered).
 * This is called on any thread, also on the loop's thread inside readable. A sleeping loop must react at once.
 * Returns a pointer for osevent_loop_unwatch, or NULL with errno on failure.
 *
 * readable may take long. It calls watch and unwatch, also for its own fd, so no lock that these functions take may be
 * held while it runs.
 */
void *osevent_loop_watch(int fd, void (*readable)(void *data), void *data);

/*
 * Ends a watch. This is called once for each watch, on any thread, also inside readable. When it has returned, the fd
 * may be closed and its number reused, so the loop must not use it any more. It need not wait for a call of readable
 * that has begun. A late call of readable does nothing.
 */
void osevent_loop_unwatch(void *watch);

/*
 * Optional, for loops that an application can run again inside a callback, as a dialog does. Runs one iteration of the
 * loop without waiting. This is called on the loop's thread, inside readable. It calls readable again for every readable
 * fd, also for the fd whose call has not returned.
 */
void osevent_loop_turn(void);

#ifdef __cplusplus
}
#endif

#endif
