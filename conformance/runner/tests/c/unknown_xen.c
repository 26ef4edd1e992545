/* A libxl for a Xen that nobody has: the installed one, whose list of domains is asked for in VERSION of the hypercall. */

#include <stdint.h>

enum { SYSCTL = 35, DOMCTL = 36 };

typedef struct xencall_handle xencall_handle;
xencall_handle *xencall_open(void *logger, unsigned flags);
int xencall_close(xencall_handle *xcall);
int xencall1(xencall_handle *xcall, unsigned op, uint64_t arg1);

/* Comes before libxenctrl's: a library's own scope begins with itself. */
int xc_domain_getinfolist(void *xch, uint32_t first, unsigned count, void *info)
{
    uint32_t call[64] = { 6, VERSION };
    xencall_handle *xcall = xencall_open(0, 0);
    (void)xch, (void)first, (void)count, (void)info;
    if (!xcall)
        return -1;
    int rc = xencall1(xcall, HYPERCALL, (uint64_t)(uintptr_t)call);
    xencall_close(xcall);
    return rc;
}
