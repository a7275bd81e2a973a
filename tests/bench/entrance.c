// How a process comes into a cgroup of version 2, with nothing around it: it is started, and
// moves there (`moved`, as in step 8); or it is started there (`born`).

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3) errx(125, "usage: entrance moved|born CGROUP");
    int cgroup = open(argv[2], O_DIRECTORY | O_CLOEXEC);
    if (cgroup < 0) err(125, "open %s", argv[2]);
    struct clone_args args = { .exit_signal = SIGCHLD };
    if (!strcmp(argv[1], "born")) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = cgroup;
    }
    pid_t pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) err(125, "clone3");
    if (pid == 0) {
        int procs = args.flags ? -1 : openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        _exit(args.flags || write(procs, "0", 1) == 1 ? 0 : 125);
    }
    int status;
    if (waitpid(pid, &status, 0) < 0) err(125, "wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
