/* The job of the bundle's tests, for root file systems that have no other program.
 *
 *   job report WORD...                   say what it was given, a line each
 *   job stamp FILE                       append "<CLOCK_MONOTONIC ns> <pid> <token>" every 2 ms
 *   job with NAME=VALUE... -- COMMAND    run COMMAND with that environment and nothing else of it but
 *                                        the tests' own mark; with an odd umask, odd signals and an
 *                                        open descriptor
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MARK "SIDECAR_UNDER_TEST="

extern char **environ;

static int report(char **argv)
{
    char text[4096], name[64];
    sigset_t blocked;

    for (; *argv != NULL; argv++)
        printf("argument %s\n", *argv);
    for (char **variable = environ; *variable != NULL; variable++)
        printf("variable %s\n", *variable);
    printf("directory %s\n", getcwd(text, sizeof text));
    printf("umask %o\n", (unsigned)umask(0));
    for (int fd = 3; fd < 256; fd++) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(name, text, sizeof text);
        if (length > 0)
            printf("descriptor %d %.*s\n", fd, (int)length, text);
    }
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int signum = 1; signum < 32; signum++) {
        struct sigaction action;
        if (sigaction(signum, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            printf("ignored %d\n", signum);
        if (sigismember(&blocked, signum) == 1)
            printf("blocked %d\n", signum);
    }
    return fflush(stdout) != 0;
}

static int stamp(const char *file)
{
    const char *token = getenv("COORDSIDECAR_TOKEN");
    int out = open(file, O_WRONLY | O_APPEND | O_CREAT, 0644);

    for (;;) {
        struct timespec now, pause = {0, 2000000};
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (dprintf(out, "%lld %d %s\n", now.tv_sec * 1000000000LL + now.tv_nsec, (int)getpid(),
                    token ? token : "-") < 0)
            return 1;
        nanosleep(&pause, NULL);
    }
}

static int with(char **words)
{
    static char *given[64];
    int count = 0;
    sigset_t blocked;

    for (char **variable = environ; *variable != NULL; variable++)
        if (strncmp(*variable, MARK, strlen(MARK)) == 0)
            given[count++] = *variable;
    for (; strcmp(*words, "--") != 0; words++)
        given[count++] = *words;
    umask(027);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    dup2(open("/dev/null", O_RDWR), 9);
    environ = given;
    execv(words[1], words + 1);
    perror(words[1]);
    return 127;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "report") == 0)
        return report(argv + 1);
    if (argc > 2 && strcmp(argv[1], "stamp") == 0)
        return stamp(argv[2]);
    if (argc > 3 && strcmp(argv[1], "with") == 0)
        return with(argv + 2);
    return 2;
}
