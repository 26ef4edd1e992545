/* What watch-vala.vala calls of libxl. */

[CCode (cheader_filename = "libxl.h", cprefix = "libxl_", lower_case_cprefix = "libxl_")]
namespace Xenlight {
	[CCode (cname = "LIBXL_VERSION")]
	public const int VERSION;
	[CCode (cname = "LIBXL_EVENTMASK_ALL")]
	public const uint64 EVENTMASK_ALL;

	[CCode (cname = "xentoollog_level", cprefix = "XTL_", has_type_id = false)]
	public enum LogLevel {
		ERROR
	}

	[Compact]
	[CCode (cname = "xentoollog_logger", free_function = "")]
	public class Logger {
		[CCode (cname = "(xentoollog_logger *) xtl_createlogger_stdiostream")]
		public static unowned Logger to_stream (GLib.FileStream stream, LogLevel least, uint flags);
		[CCode (cname = "xtl_logger_destroy")]
		public void destroy ();
	}

	[CCode (cname = "libxl_event_type", cprefix = "LIBXL_EVENT_TYPE_", has_type_id = false)]
	public enum EventType {
		DOMAIN_SHUTDOWN,
		DOMAIN_DEATH
	}

	[CCode (cname = "libxl_shutdown_reason", has_type_id = false)]
	public enum ShutdownReason {
		[CCode (cname = "LIBXL_SHUTDOWN_REASON_POWEROFF")]
		POWEROFF;
		[CCode (cname = "libxl_shutdown_reason_to_string")]
		public unowned string to_string ();
	}

	[Compact]
	[CCode (cname = "libxl_event", free_function = "")]
	public class Event {
		public EventType type;
		public uint32 domid;
		[CCode (cname = "u.domain_shutdown.shutdown_reason")]
		public ShutdownReason shutdown_reason;
	}

	[CCode (has_target = false)]
	public delegate void EventOccurs (void* user, Event event);

	[CCode (cname = "libxl_event_hooks", has_type_id = false, destroy_function = "")]
	public struct EventHooks {
		public uint64 event_occurs_mask;
		public EventOccurs event_occurs;
	}

	[Compact]
	[CCode (cname = "libxl_evgen_domain_death", free_function = "")]
	public class DeathWatch {
	}

	public int ctx_alloc (out unowned LibxlCtx ctx, int version, uint flags, Logger logger);
	public void event_register_callbacks (LibxlCtx ctx, EventHooks* hooks, void* user);
	public int evenable_domain_death (LibxlCtx ctx, uint32 domid, uint64 user, out unowned DeathWatch made);
	public void event_free (LibxlCtx ctx, Event event);
}
