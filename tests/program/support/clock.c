/* Preloaded into the program: its wall clock is ahead of ours by the seconds in the file $CLOCK_AHEAD, which a test may
 * change at any time. The clock that nobody sets stays as it is. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    const char *path = getenv("CLOCK_AHEAD");
    if (result == 0 && clock == CLOCK_REALTIME && path) {
        int file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        char text[24] = "";
        if (file >= 0) {
            if (syscall(SYS_read, file, text, sizeof text - 1) > 0) time->tv_sec += atol(text);
            syscall(SYS_close, file);
        }
    }
    return result;
}
