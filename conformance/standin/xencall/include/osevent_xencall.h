/*
 * Control of osevent's stand-in for libxencall. Every function may be called from any thread and takes no lock.
 *
 * Preload the stand-in (LD_PRELOAD=/path/to/libxencall.so), then find these with dlsym(RTLD_DEFAULT, ...) or declare
 * them weak: a null pointer means that the stand-in is not there and that libxl would talk to a real Xen.
 *
 * OSEVENT_XENCALL_STATE_DIR=/existing/directory, in the environment when it is loaded, keeps libxl's files there
 * instead of /var/lib/xen and /var/run/xen, so that an ordinary user can create and destroy pretend domains.
 *
 * OSEVENT_XENCALL_TABLE=/path/of/a/file, in the environment when it is loaded, shares the pretend domains with all processes
 * that name the same file, which is made if it is not there. Word N of it (64 bits, the machine's byte order) is domain
 * N: its flags in bits 0-31, and bit 32 set if it exists. Words 0x7ff0 to 0x7ff2 are the three counters below, word 0x7ff3 the
 * unknown version; what is behind them is not documented. Beside the file are two FIFOs, with .ends and .starts behind its name: 8
 * bytes are written there for each domain that ends, as to the event fd below, which then is the first FIFO, and for each that begins
 * to run. One process at a time can read them.
 */
#ifndef OSEVENT_XENCALL_H
#define OSEVENT_XENCALL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What osevent_xencall_in_force() reports. Preloaded, all of it. */
#define OSEVENT_XENCALL_HYPERCALLS     (1u << 0) /* xencall_* resolve to the stand-in */
#define OSEVENT_XENCALL_FOREIGN_MEMORY (1u << 1) /* xenforeignmemory_* do */
#define OSEVENT_XENCALL_CLOCK          (1u << 2) /* gettimeofday does */
#define OSEVENT_XENCALL_DEVICES        (1u << 3) /* open and its kin do: /dev/xen and /proc/xen are closed */
#define OSEVENT_XENCALL_ALONE          (1u << 4) /* the real libxencall is not mapped */
#define OSEVENT_XENCALL_ALL            0x1fu

/* The version of this interface: 1. That the symbol exists at all says that the stand-in is loaded. */
uint32_t osevent_xencall_is_standin(void);
/* Which of the stand-in's parts the program's global scope resolves to, as OSEVENT_XENCALL_* bits. */
uint32_t osevent_xencall_in_force(void);

/* Creates or changes a pretend domain; a new one has 4 MiB and one virtual processor. flags: XEN_DOMINF_* with the shutdown reason in bits 16-23; hvm_guest, paused,
 * running, shutdown, dying ... as in xen/domctl.h. 0, or -1 with errno EINVAL: domid above 0x7fef. */
int osevent_xencall_set_domain(uint32_t domid, uint32_t flags);
/* The domain's flags, or -1 with errno ESRCH. */
int64_t osevent_xencall_domain(uint32_t domid);
/* The domain is gone. 0, or -1 with errno ESRCH. */
int osevent_xencall_remove_domain(uint32_t domid);
/* An eventfd, or a FIFO if there is a file (non-blocking, close-on-exec, the stand-in's own: never close it) that becomes readable when a domain
 * shuts down, starts dying or goes, whoever did it: Xen's VIRQ_DOM_EXC. Whoever plays xenstored reads it and fires
 * @releaseDomain. -1 where it could not be made. */
int osevent_xencall_dom_exc_fd(void);

/* gettimeofday(2) lags by this many milliseconds. libxl stamps a timeout with gettimeofday() + N s: with a lag of
 * 9900 its 10 s timeout is due after 0.1 s for a host that compares it with any other clock. */
void osevent_xencall_set_clock_skew_ms(int64_t ms);
/* Sets the wall clock this many milliseconds forward (back, if negative), as all code of the process reads it through
 * libc's clock_gettime and gettimeofday. The kernel's timers do not notice. */
void osevent_xencall_step_clock_ms(int64_t ms);

/* How many hypercalls were asked for (each entry of a multicall, and the multicall, count). */
uint64_t osevent_xencall_hypercalls(void);
/* How many of them the stand-in answered with ENOSYS, or EACCES for an interface version that it does not know. */
uint64_t osevent_xencall_refused_hypercalls(void);
/* The last interface version that a hypercall was refused for, with EACCES: 0 if none was, else bit 63, the version in bits
 * 0-31, and bit 32 if it was a domctl's; a sysctl's otherwise. The stand-in knows those of Xen 4.14 to 4.22. */
uint64_t osevent_xencall_unknown_version(void);
/* How many attempts to open something under /dev/xen or /proc/xen were refused. */
uint64_t osevent_xencall_refused_opens(void);

#ifdef __cplusplus
}
#endif

#endif
