/* The job of the benchmark: it proves, by the clock, when it began to run and when it last ran.
 *
 *     stamp FOLDER PERIOD_US
 *
 * It keeps two numbers in FOLDER/<pid>: its first and its latest CLOCK_MONOTONIC time in ns. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(int argc, char **argv) {
    int64_t stamps[2] = {now_ns(), 0};
    char path[4096];
    if (argc != 3) return 2;
    snprintf(path, sizeof path, "%s/%d", argv[1], (int)getpid());
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return 1;
    long period_us = atol(argv[2]);
    struct timespec pause = {period_us / 1000000, period_us % 1000000 * 1000};
    for (;;) {
        stamps[1] = now_ns();
        if (pwrite(file, stamps, sizeof stamps, 0) != sizeof stamps) return 1;
        nanosleep(&pause, NULL);
    }
}
