/* Preloaded into the program: ends it by SIGKILL at a chosen step of its work on files. A step is a call that changes
 * the file system; the program itself knows nothing of this.
 *
 *   CRASH_LOG=file                 one line per step, "operation path", written before the step is taken
 *   CRASH_STEP=n                   end at step n, from 1 on
 *   CRASH_AT=when operation nth path   end at the nth step of this operation whose path contains this;
 *                                  when: before, after, or half (a write that is cut in the middle)
 *   CRASH_AWAIT=operation path     and let such a step, perhaps of another thread, be completed first
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t awaited_step = PTHREAD_COND_INITIALIZER;
static int log_fd = -1, crash_step, nth_match, matches, steps, awaited = 1;
static char when[8], operation[16], path_part[256], await_operation[16], await_part[256];

__attribute__((constructor)) static void read_environment(void) {
    const char *log = getenv("CRASH_LOG"), *step = getenv("CRASH_STEP");
    const char *at = getenv("CRASH_AT"), *await = getenv("CRASH_AWAIT");
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (step) crash_step = atoi(step);
    if (at && sscanf(at, "%7s %15s %d %255s", when, operation, &nth_match, path_part) != 4) abort();
    if (await) {
        if (sscanf(await, "%15s %255s", await_operation, await_part) != 2) abort();
        awaited = 0;
    }
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What is to become of this step: 0 take it, 'b' die before, 'a' die after, 'h' die in the middle. */
static int begin(const char *op, const char *path) {
    char line[4200];
    int length = snprintf(line, sizeof line, "%s %s\n", op, path), fate = 0;
    pthread_mutex_lock(&mutex);
    steps++;
    if (log_fd >= 0) syscall(SYS_write, log_fd, line, length);
    if (steps == crash_step) fate = 'h';
    if (nth_match && !strcmp(op, operation) && strstr(path, path_part) && ++matches == nth_match) {
        fate = when[0];
        while (!awaited) pthread_cond_wait(&awaited_step, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    if (fate == 'b' || (fate == 'h' && strcmp(op, "write"))) die();
    return fate;
}

static void end(const char *op, const char *path, int fate) {
    if (fate) die();
    pthread_mutex_lock(&mutex);
    if (!awaited && !strcmp(op, await_operation) && strstr(path, await_part)) {
        awaited = 1;
        pthread_cond_broadcast(&awaited_step);
    }
    pthread_mutex_unlock(&mutex);
}

/* The path of an open file; null for sockets, pipes and terminals, and what lies outside of the working directory. */
static const char *path_of(int fd, char *path, size_t size) {
    char link[64], here[2048];
    struct stat status;
    if (fstat(fd, &status) || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0 || !getcwd(here, sizeof here)) return NULL;
    path[length] = 0;
    size_t prefix = strlen(here);
    return strncmp(path, here, prefix) || path[prefix] != '/' ? NULL : path + prefix + 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define STEP(op, path, call)                                                                                          \
    do {                                                                                                               \
        int fate = begin(op, path), result = call;                                                                     \
        end(op, path, fate);                                                                                           \
        return result;                                                                                                 \
    } while (0)
#define STEP_ON_FD(op, fd, call)                                                                                      \
    do {                                                                                                               \
        char buffer[4096];                                                                                             \
        const char *path = path_of(fd, buffer, sizeof buffer);                                                         \
        if (!path) return call;                                                                                        \
        STEP(op, path, call);                                                                                          \
    } while (0)

int rename(const char *from, const char *to) { STEP("rename", to, NEXT(rename)(from, to)); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    STEP("link", to, NEXT(linkat)(a, from, b, to, flags));
}
int unlink(const char *path) { STEP("unlink", path, NEXT(unlink)(path)); }
int unlinkat(int fd, const char *path, int flags) { STEP("unlink", path, NEXT(unlinkat)(fd, path, flags)); }
int mkdir(const char *path, mode_t mode) { STEP("mkdir", path, NEXT(mkdir)(path, mode)); }
int fsync(int fd) { STEP_ON_FD("fsync", fd, NEXT(fsync)(fd)); }
int ftruncate64(int fd, off64_t length) { STEP_ON_FD("truncate", fd, NEXT(ftruncate64)(fd, length)); }

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        __builtin_va_list rest;
        __builtin_va_start(rest, flags);
        mode = __builtin_va_arg(rest, mode_t);
        __builtin_va_end(rest);
    }
    if (!(flags & O_CREAT) || path[0] == '/') return NEXT(open64)(path, flags, mode);
    STEP("create", path, NEXT(open64)(path, flags, mode));
}

ssize_t write(int fd, const void *bytes, size_t size) {
    char buffer[4096];
    const char *path = path_of(fd, buffer, sizeof buffer);
    if (!path) return NEXT(write)(fd, bytes, size);
    int fate = begin("write", path);
    ssize_t written = NEXT(write)(fd, bytes, fate == 'h' ? size / 2 : size);
    end("write", path, fate);
    return written;
}
