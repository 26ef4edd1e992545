/* A libxl that never gets an answer from its Xen: the installed one, whose list of domains is waited for without end. */

#include <stdint.h>
#include <unistd.h>

/* Comes before libxenctrl's: a library's own scope begins with itself. */
int xc_domain_getinfolist(void *xch, uint32_t first, unsigned count, void *info)
{
    (void)xch, (void)first, (void)count, (void)info;
    for (;;)
        pause();
}
