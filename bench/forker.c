/* forker COUNT [setsid] [ignore-term]: COUNT lines of processes of which each forks and ends, so
 * that nobody lives for longer than a fork takes. One that cannot fork tries again. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fork_on(int in_sessions_of_their_own) {
    for (;;) {
        pid_t pid = fork();
        if (pid > 0)
            _exit(0);
        if (pid == 0 && in_sessions_of_their_own)
            setsid();
    }
}

int main(int argc, char **argv) {
    int own_sessions = 0;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "setsid") == 0)
            own_sessions = 1;
        if (strcmp(argv[i], "ignore-term") == 0)
            signal(SIGTERM, SIG_IGN);
    }
    for (int left = argc > 1 ? atoi(argv[1]) : 0; left > 0;) {
        pid_t pid = fork();
        if (pid == 0)
            fork_on(own_sessions);
        if (pid > 0)
            left--;
    }
    for (;;)
        pause();
}
