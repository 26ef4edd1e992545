/*
 * osevent on a main context of GLib. It is compiled into the program: libosevent does not link GLib.
 */
#ifndef OSEVENT_GLIB_H
#define OSEVENT_GLIB_H

#include <errno.h>
#include <glib-unix.h>
#include <osevent.h>

static inline gboolean osevent_attach_readable(gint fd, GIOCondition condition, gpointer ev)
{
    (void)fd, (void)condition;
    int done = osevent_dispatch((osevent *)ev);
    /* Refused while this thread is inside libxl. It can be dispatched afterwards. */
    return done >= 0 || done == -EDEADLK;
}

/*
 * Attaches ev to a main context, or to the default one if context is NULL. From now on the context dispatches ev, on
 * the thread that runs it. Register callbacks for events with libxl (libxl_event_register_callbacks): they are called in
 * the dispatch.
 *
 * The result is a new source with priority G_PRIORITY_DEFAULT, and the caller owns one reference to it. Call
 * g_source_destroy and g_source_unref before osevent_free. If a dispatch fails, for instance in a forked child, the
 * source is destroyed, see g_source_is_destroyed.
 *
 * A callback of libxl may run the context again, but ev is not dispatched in that nested loop (E2): wait for nothing of
 * libxl's there. Do not run it between osevent_enter and osevent_leave, where it would spin.
 */
static inline GSource *osevent_attach(osevent *ev, GMainContext *context)
{
    GSource *source = g_unix_fd_source_new(osevent_fd(ev), G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(osevent_attach_readable), ev, NULL);
    g_source_set_name(source, "osevent");
    g_source_attach(source, context);
    return source;
}

#endif
