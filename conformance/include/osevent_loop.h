/*
 * An event loop, for osevent-conformance to test.
 *
 * Build a shared object that defines the first two functions below and give it to the suite:
 *
 *     cc -shared -fPIC -pthread -o myloop.so myloop.c
 *     osevent-conformance --loop ./myloop.so
 *
 * The loop runs on a thread that the shared object starts, at the latest when the first fd is watched, and that stays
 * the same. The shared object is never unloaded. Several fds can be watched at the same time, each once.
 */
#ifndef OSEVENT_LOOP_H
#define OSEVENT_LOOP_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Watches fd, and calls readable(data) on the loop's thread as long as the fd is readable (POLLIN, level-triggered).
 * Called on any thread, also on the loop's own from inside readable. A loop that sleeps takes notice at once.
 * Returns what unwatch will be given, or NULL if it cannot be done; errno says why.
 *
 * readable may take long. It calls watch and unwatch, of its own fd too, so no lock that these take may be held while
 * it runs.
 */
void *osevent_loop_watch(int fd, void (*readable)(void *data), void *data);

/*
 * Ends that. Called once for each watch, on any thread, also from inside readable. The fd may be closed, and its number
 * used again, as soon as this has returned; so the loop does not touch it any more. A call of readable that has begun
 * need not be waited for, and one that comes late does nothing.
 */
void osevent_loop_unwatch(void *watch);

/*
 * Optional: for loops that an application can run again inside a callback, as a dialog does. Makes one turn of the loop
 * that does not wait. Called on the loop's thread, from inside readable; it calls readable again for what is readable,
 * also for the fd whose call has not returned.
 */
void osevent_loop_turn(void);

#ifdef __cplusplus
}
#endif

#endif
