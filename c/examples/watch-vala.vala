/*
 * Prints the shutdown and death of the given domains until all are gone, with libxl in a main loop of GLib.
 *
 *     valac --vapidir=. --pkg=osevent-glib --pkg=xenlight --pkg=posix -X -lxentoollog watch-vala.vala
 *     ./watch-vala DOMID...
 *
 * It needs root in a Xen dom0. SIGINT and SIGTERM end it earlier.
 */

unowned LibxlCtx ctx;
MainLoop loop;
/* How many of the domains exist. */
int left;

/* libxl calls this inside a dispatch. */
void event_occurs (void* user, Xenlight.Event event) {
	switch (event.type) {
	case DOMAIN_SHUTDOWN:
		print ("domain %u has shut down: %s\n", event.domid, event.shutdown_reason.to_string ());
		break;
	case DOMAIN_DEATH:
		print ("domain %u is gone\n", event.domid);
		if (--left == 0)
			loop.quit ();
		break;
	}
	Xenlight.event_free (ctx, event);
}

int fail (string what, int error) {
	stderr.printf ("watch-vala: %s: %s\n", what, strerror (-error));
	return 2;
}

int main (string[] args) {
	loop = new MainLoop ();
	Osevent ev;
	int error = Osevent.create (out ev);
	if (error != 0)
		return fail ("Osevent.create", error);
	unowned Xenlight.Logger logger = Xenlight.Logger.to_stream (stderr, Xenlight.LogLevel.ERROR, 0);
	if (Xenlight.ctx_alloc (out ctx, Xenlight.VERSION, 0, logger) != 0) {
		stderr.printf ("watch-vala: no libxl: is this root in a Xen dom0?\n");
		return 2;
	}
	/* Right after ctx_alloc, before any other call with the ctx. */
	error = ev.host (ctx);
	if (error != 0)
		return fail ("Osevent.host", error);
	var hooks = Xenlight.EventHooks () { event_occurs_mask = Xenlight.EVENTMASK_ALL, event_occurs = event_occurs };
	Xenlight.event_register_callbacks (ctx, &hooks, null);
	var source = ev.attach ();

	foreach (unowned string domid in args[1:args.length]) {
		unowned Xenlight.DeathWatch watch;
		if (Xenlight.evenable_domain_death (ctx, int.parse (domid), 0, out watch) == 0)
			left++;
	}
	Unix.signal_add (Posix.Signal.INT, () => { loop.quit (); return Source.CONTINUE; });
	Unix.signal_add (Posix.Signal.TERM, () => { loop.quit (); return Source.CONTINUE; });
	if (left > 0)
		loop.run ();

	/* Instead of libxl_ctx_free. No other thread is inside libxl, so the ctx is freed when this returns. */
	ev.close (ctx);
	/* GLib releases the fd before ev closes it at the end of this function. */
	source.destroy ();
	logger.destroy ();
	return 0;
}
