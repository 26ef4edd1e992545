/* What the C library of the machine that links has, an older one lacks, and can be had from what the older one has.
 *
 * x86-64. No headers: a newer library's headers give new names to old functions. Hidden, so that libraries which are loaded
 * later go on to find the C library's own. */

#pragma GCC visibility push(hidden)

enum { GETTID = 186, GETRANDOM = 318, CLOSE_RANGE = 436 };
enum { STAT_VERSION = 1 };

struct stat;
typedef void initializer(int, char **, char **);
typedef int main_function(int, char **, char **);

#pragma GCC visibility push(default)
extern long syscall(long, ...);
extern unsigned long strlen(const char *);
extern unsigned long strnlen(const char *, unsigned long);
extern void *memcpy(void *, const void *, unsigned long);
extern int __xstat(int, const char *, struct stat *);
extern int __lxstat(int, const char *, struct stat *);
extern int __fxstat(int, int, struct stat *);
extern int __fxstatat(int, int, const char *, struct stat *, int);
extern int __real___libc_start_main(main_function *, int, char **, initializer *, void (*)(void), void (*)(void), void *);
#pragma GCC visibility pop

/* System calls, for which 2.17 has no functions. */
int gettid(void) { return syscall(GETTID); }
long getrandom(void *buffer, unsigned long length, unsigned flags) { return syscall(GETRANDOM, buffer, length, flags); }
int close_range(unsigned first, unsigned last, int flags) { return syscall(CLOSE_RANGE, first, last, flags); }

/* Functions since 2.33; before that, each program got them from the static part of the C library, which comes first then. Files'
 * sizes have 64 bits anyway. */
#define WEAK __attribute__((weak))
WEAK int stat(const char *path, struct stat *status) { return __xstat(STAT_VERSION, path, status); }
WEAK int stat64(const char *path, struct stat *status) { return __xstat(STAT_VERSION, path, status); }
WEAK int lstat(const char *path, struct stat *status) { return __lxstat(STAT_VERSION, path, status); }
WEAK int lstat64(const char *path, struct stat *status) { return __lxstat(STAT_VERSION, path, status); }
WEAK int fstat(int fd, struct stat *status) { return __fxstat(STAT_VERSION, fd, status); }
WEAK int fstat64(int fd, struct stat *status) { return __fxstat(STAT_VERSION, fd, status); }
WEAK int fstatat(int fd, const char *path, struct stat *status, int flags) {
    return __fxstatat(STAT_VERSION, fd, path, status, flags);
}
WEAK int fstatat64(int fd, const char *path, struct stat *status, int flags) {
    return __fxstatat(STAT_VERSION, fd, path, status, flags);
}

/* New names for what is the same but for numbers in binary, which C23 reads. */
#define IS(newer, older) \
    __asm__(".pushsection .text." #newer ", \"ax\", @progbits\n.globl " #newer "\n.hidden " #newer "\n.type " #newer \
            ", @function\n" #newer ": jmp " #older "@PLT\n.popsection")
IS(fcntl64, fcntl);
IS(__isoc23_strtol, strtol);
IS(__isoc23_strtoul, strtoul);
IS(__isoc23_strtoll, strtoll);
IS(__isoc23_strtoull, strtoull);
IS(__isoc23_strtoll_l, strtoll_l);
IS(__isoc23_strtoull_l, strtoull_l);
IS(__isoc23_sscanf, sscanf);
IS(__isoc23_fscanf, fscanf);

/* Since 2.38. Both return how long the whole would have been. */
unsigned long strlcpy(char *to, const char *from, unsigned long size) {
    unsigned long length = strlen(from);
    if (size > 0) {
        unsigned long copied = length < size ? length : size - 1;
        memcpy(to, from, copied);
        to[copied] = 0;
    }
    return length;
}
unsigned long strlcat(char *to, const char *from, unsigned long size) {
    unsigned long length = strnlen(to, size);
    return length + strlcpy(to + length, from, size - length);
}

/* From 2.34 on the C library runs the program's initializers itself; before that, a function that the program brings. */
extern initializer *__init_array_start[], *__init_array_end[];
extern void _init(void);

static void initialize(int count, char **arguments, char **environment) {
    _init();
    for (initializer **each = __init_array_start; each < __init_array_end; each++)
        (*each)(count, arguments, environment);
}

/* The program's first instructions call this instead of __libc_start_main: see the linker's option --wrap. */
int __wrap___libc_start_main(main_function *main, int count, char **arguments, initializer *init, void (*fini)(void),
                             void (*of_linker)(void), void *stack_end) {
    return __real___libc_start_main(main, count, arguments, init ? init : initialize, fini, of_linker, stack_end);
}
