/*
 * What programs rely on that were compiled with an earlier release. A function or a field is added here with the release
 * that has it first, and then never changed: a program with the old one would go on running with the new library.
 */
#include <osevent.h>
#include <stddef.h>

/* A function still has this type. */
#define HOLDS(name, result, ...) _Static_assert(_Generic(&name, result (*) __VA_ARGS__: 1, default: 0), #name);

/* 0.1.0 */
HOLDS(osevent_close, int, (osevent *, libxl_ctx *))
HOLDS(osevent_dispatch, int, (osevent *))
HOLDS(osevent_enter, int, (osevent *, libxl_ctx *))
HOLDS(osevent_fd, int, (const osevent *))
HOLDS(osevent_free, int, (osevent *))
HOLDS(osevent_host_libxl, int, (osevent *, libxl_ctx *, const struct osevent_libxl *))
HOLDS(osevent_leave, int, (osevent *, libxl_ctx *))
HOLDS(osevent_new, int, (osevent **))
HOLDS(osevent_refusal, int, (osevent *, libxl_ctx *, char *, size_t))
HOLDS(osevent_wait, int, (osevent *, libxl_ctx *, int))

/* The library reads it in osevent_host_libxl, so a field cannot be added. */
_Static_assert(offsetof(struct osevent_libxl, register_hooks) == 0, "register_hooks");
_Static_assert(offsetof(struct osevent_libxl, occurred_fd) == 1 * sizeof(void *), "occurred_fd");
_Static_assert(offsetof(struct osevent_libxl, occurred_timeout) == 2 * sizeof(void *), "occurred_timeout");
_Static_assert(offsetof(struct osevent_libxl, ctx_free) == 3 * sizeof(void *), "ctx_free");
_Static_assert(offsetof(struct osevent_libxl, serialized) == 4 * sizeof(void *), "serialized");
_Static_assert(sizeof(struct osevent_libxl) == 5 * sizeof(void *), "struct osevent_libxl");
_Static_assert(sizeof(struct osevent_libxl) == SIZE_IN_RUST, "struct osevent_libxl in Rust");
