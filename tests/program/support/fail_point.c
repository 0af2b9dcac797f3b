/* Preloaded into the program: lets a chosen operation on a file of the state or of a sink fail, and lets time pass faster,
 * so that a walk of a quarter of a second has several checkpoints. The program itself knows nothing of this.
 *
 *   FAIL_LOG=file     one line per operation, "operation path", written before it is done
 *   FAIL_FROM=n       operations from this one on fail, from 1 on; of an operation that is done in a loop, each try counts
 *   FAIL_TIMES=n      so many of them; without it, all
 *   FAIL_ERRNO=n      with this error; if it is EMFILE (24), only those that open a file count
 *   FAIL_ONLY=op      only these count
 *   FAIL_BELOW=text   only those whose path contains this count; without it, `state/` and `inventory`
 *   TIMES_FASTER=n    the monotonic clock and waits for events
 *   SLEEPS_FASTER=n   sleeps
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1, error = ENOSPC, ready;
static long from, times, operations, faster = 1, sleeps_faster = 1;
static const char *below, *only;
static struct timespec start;

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

__attribute__((constructor)) static void read_environment(void) {
    const char *log = getenv("FAIL_LOG");
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    from = number("FAIL_FROM", 0);
    times = number("FAIL_TIMES", 0);
    error = number("FAIL_ERRNO", ENOSPC);
    faster = number("TIMES_FASTER", 1);
    sleeps_faster = number("SLEEPS_FASTER", 1);
    below = getenv("FAIL_BELOW");
    only = getenv("FAIL_ONLY");
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &start);
    ready = 1;
}

static int counts(const char *op, const char *path) {
    if (!ready || !path) return 0;
    if (only && strcmp(only, op)) return 0;
    if (error == EMFILE && strcmp(op, "open") && strcmp(op, "create")) return 0;
    return below ? !!strstr(path, below) : strstr(path, "state/") || strstr(path, "inventory");
}

/* Whether this operation fails. */
static int fails(const char *op, const char *path) {
    if (!counts(op, path)) return 0;
    char line[4200];
    int length = snprintf(line, sizeof line, "%s %s\n", op, path);
    pthread_mutex_lock(&mutex);
    long nth = ++operations;
    if (log_fd >= 0) syscall(SYS_write, log_fd, line, length);
    pthread_mutex_unlock(&mutex);
    if (!from || nth < from || (times && nth >= from + times)) return 0;
    errno = error;
    return 1;
}

/* The path of an open file; null for sockets, pipes and terminals. */
static const char *path_of(int fd, char *path, size_t size) {
    char link[64];
    struct stat status;
    if (fstat(fd, &status) || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return path;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_PATH(op, path, call) return fails(op, path) ? -1 : call
#define ON_FD(op, fd, call)                                                                                           \
    do {                                                                                                              \
        char buffer[4096];                                                                                            \
        if (fails(op, path_of(fd, buffer, sizeof buffer))) return -1;                                                 \
        return call;                                                                                                  \
    } while (0)

int rename(const char *a, const char *b) { ON_PATH("rename", b, NEXT(rename)(a, b)); }
int linkat(int x, const char *a, int y, const char *b, int flags) {
    ON_PATH("link", b, NEXT(linkat)(x, a, y, b, flags));
}
int unlink(const char *path) { ON_PATH("unlink", path, NEXT(unlink)(path)); }
int rmdir(const char *path) { ON_PATH("rmdir", path, NEXT(rmdir)(path)); }
int mkdir(const char *path, mode_t mode) { ON_PATH("mkdir", path, NEXT(mkdir)(path, mode)); }
int fsync(int fd) {
    struct stat status;
    int is_directory = !fstat(fd, &status) && S_ISDIR(status.st_mode);
    ON_FD(is_directory ? "syncdir" : "fsync", fd, NEXT(fsync)(fd));
}
int fdatasync(int fd) { ON_FD("fsync", fd, NEXT(fdatasync)(fd)); }
int ftruncate64(int fd, off64_t length) { ON_FD("truncate", fd, NEXT(ftruncate64)(fd, length)); }
ssize_t write(int fd, const void *bytes, size_t size) { ON_FD("write", fd, NEXT(write)(fd, bytes, size)); }
ssize_t read(int fd, void *bytes, size_t size) { ON_FD("read", fd, NEXT(read)(fd, bytes, size)); }
DIR *opendir(const char *path) { return fails("open", path) ? NULL : NEXT(opendir)(path); }
struct dirent64 *readdir64(DIR *directory) {
    char buffer[4096];
    if (fails("list", path_of(dirfd(directory), buffer, sizeof buffer))) return NULL;
    return NEXT(readdir64)(directory);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        __builtin_va_list rest;
        __builtin_va_start(rest, flags);
        mode = __builtin_va_arg(rest, mode_t);
        __builtin_va_end(rest);
    }
    ON_PATH(flags & O_CREAT ? "create" : "open", path, NEXT(open64)(path, flags, mode));
}

/* A clock that nobody sets, and everything that is measured by it. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result || clock != CLOCK_MONOTONIC || faster == 1) return result;
    long long passed = (time->tv_sec - start.tv_sec) * 1000000000LL + (time->tv_nsec - start.tv_nsec);
    long long shown = start.tv_sec * 1000000000LL + start.tv_nsec + passed * faster;
    time->tv_sec = shown / 1000000000LL;
    time->tv_nsec = shown % 1000000000LL;
    return 0;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int milliseconds) {
    int shorter = milliseconds > 0 ? (milliseconds + faster - 1) / faster : milliseconds;
    return NEXT(epoll_wait)(epoll, events, most, shorter);
}

static struct timespec shorter(const struct timespec *time) {
    long long all = (time->tv_sec * 1000000000LL + time->tv_nsec) / sleeps_faster;
    return (struct timespec){all / 1000000000LL, all % 1000000000LL};
}

int nanosleep(const struct timespec *time, struct timespec *rest) {
    struct timespec short_time = shorter(time);
    return NEXT(nanosleep)(&short_time, rest);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest) {
    struct timespec short_time = flags & TIMER_ABSTIME ? *time : shorter(time);
    return NEXT(clock_nanosleep)(clock, flags, &short_time, rest);
}
