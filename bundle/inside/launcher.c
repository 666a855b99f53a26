/* The program `coordsidecar` of a bundle: starts the bundle's own Python by the bundle's own loader,
 * wherever its folder has been put.
 *
 * It is linked statically and needs nothing of the image: no libc, no shell, not even /proc. What the
 * image set up for the job's dynamic linker (LD_PRELOAD above all) was made for the image's libc and
 * may kill ours, so such variables are kept from our loader under other names; start.py gives them
 * back before anything reads the environment. All else stays as it was given: descriptors, umask,
 * directory; and signals, but as process 1, where they are held until somebody handles them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define OWN_FAILURE 125
#define KEPT "COORDSIDECAR_KEPT_" /* start.py knows it, too. */

extern char **environ;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "coordsidecar: %s: %s\n", what, why);
    exit(OWN_FAILURE);
}

static char *joined(const char *head, const char *tail)
{
    char *text = malloc(strlen(head) + strlen(tail) + 1);
    if (text == NULL)
        fail("cannot start", strerror(ENOMEM));
    return strcat(strcpy(text, head), tail);
}

/* The folder that this program stands in, without a slash at its end. */
static char *own_folder(void)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    const char *started_as = (const char *)getauxval(AT_EXECFN);

    if (length > 0)
        path[length] = '\0';
    else if (started_as == NULL || realpath(started_as, path) == NULL)
        fail("cannot find the folder that this program stands in", "mount /proc");
    *strrchr(path, '/') = '\0';
    if (strpbrk(path, ":;$") != NULL) /* The loader would read these as something else. */
        fail(path, "the folder's path must not contain ':', ';' or '$'; rename it");
    return path;
}

static void keep_from_our_loader(void)
{
    for (char **variable = environ; *variable != NULL; variable++)
        if (strncmp(*variable, "LD_", 3) == 0 || strncmp(*variable, "GLIBC_TUNABLES=", 15) == 0)
            *variable = joined(KEPT, *variable);
}

int main(int argc, char **argv)
{
    const char *folder = own_folder();
    char *program = joined(folder, "/lib/coordsidecar"); /* The loader; ps and pkill show this name. */
    char *head[] = {
        /* No cache: it is the image's, and so are the libraries it tells of. */
        "coordsidecar", "--inhibit-cache", "--library-path", joined(folder, "/lib"),
        /* -I: no variable and no directory of the job's decides what our Python imports. -S: all that
         * we need lies beside the standard library, so that nothing else has to be looked for. */
        joined(folder, "/bin/python"), "-I", "-S", joined(folder, "/lib/start.pyc"),
    };
    const int heads = sizeof head / sizeof *head;
    char **words = calloc(heads + argc + 1, sizeof *words);

    if (words == NULL)
        fail("cannot start", strerror(ENOMEM));
    if (getpid() == 1) { /* The kernel drops what nobody handles yet; cli/main.py knows of this. */
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
    }
    memcpy(words, head, sizeof head);
    for (int i = 1; i < argc; i++)
        words[heads + i - 1] = argv[i];
    keep_from_our_loader();
    execv(program, words);
    fail(program, errno == ENOENT ? "it is not there; copy the bundle's whole folder, not only this program"
                                  : strerror(errno));
}
