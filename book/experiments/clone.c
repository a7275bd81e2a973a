// Step 5 with clone(2): the child is born in its namespaces. Nothing is unshared, and
// nothing is executed a second time.

#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct container {
    const char *hostname;
    char **argv;
};

// The child starts here. When this function returns, the child ends.
static int child(void *arg) {
    struct container *container = arg;
    if (sethostname(container->hostname, strlen(container->hostname)) == -1)
        err(125, "sethostname");
    execvp(container->argv[0], container->argv);
    err(127, "%s", container->argv[0]);
}

int main(int argc, char **argv) {
    if (argc < 2) errx(125, "usage: clone COMMAND [ARG...]");
    static char stack[64 * 1024] __attribute__((aligned(16)));
    struct container container = {"container", argv + 1};

    int namespaces = CLONE_NEWUTS | CLONE_NEWPID;
    pid_t pid = clone(child, stack + sizeof stack, namespaces | SIGCHLD, &container);
    if (pid == -1) err(125, "clone");

    int status;
    if (waitpid(pid, &status, 0) == -1) err(125, "waitpid");
    dprintf(1, "On the host it was process %d.\n", pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
