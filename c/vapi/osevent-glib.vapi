/* osevent.h and osevent-glib.h for Vala. They document the functions. */

/* A ctx of libxl's, whose functions take it. osevent frees it. */
[Compact]
[CCode (cname = "libxl_ctx", cheader_filename = "libxl.h", free_function = "")]
public class LibxlCtx {
}

[Compact]
[CCode (cname = "osevent", cheader_filename = "osevent-glib.h", cprefix = "osevent_", free_function = "osevent_free")]
public class Osevent {
	[CCode (cname = "osevent_new")]
	public static int create (out Osevent made);
	public int fd ();
	public int dispatch ();
	public int host (LibxlCtx ctx);
	public int enter (LibxlCtx ctx);
	public int leave (LibxlCtx ctx);
	public int close (LibxlCtx ctx);
	public int wait (LibxlCtx ctx, int timeout_ms);
	public int refusal (LibxlCtx ctx, [CCode (array_length_type = "size_t")] uint8[] text);
	public GLib.Source attach (GLib.MainContext? context = null);
}
