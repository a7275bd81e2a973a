/* The container of all eight steps, in C. It takes root: cc -o container container.c
 *
 * usage: container run COMMAND [ARG...]        ROOTFS names the root filesystem (rootfs)
 *
 * What it lacks: the command is PID 1, which ignores each signal that it does not handle. So
 * Ctrl-C does not end `sleep`, and SIGTERM has to become SIGKILL. At the wrong moment SIGTERM
 * leaves the cgroup behind, and SIGKILL at any. */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <mntent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char cgroup[4096];
static pid_t child = -1; /* and 0 in the child itself */

static void write_to(const char *folder, const char *name, const char *text)
{
    char path[5000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file))
        err(125, "write %s to %s", text, path);
}

/* A cgroup is busy for a moment after its last process has ended. */
static void remove_cgroup(void)
{
    for (int i = 0; child != 0 && i < 100 && rmdir(cgroup); i++)
        usleep(10000);
}

/* Step 8: room for 20 processes, in the hierarchy of version 1 or 2 that counts them. */
static void make_cgroup(void)
{
    char top[4000] = "";
    int is_first = 0;
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    for (struct mntent *m; mounts && !is_first && (m = getmntent(mounts));) {
        is_first = !strcmp(m->mnt_type, "cgroup") && hasmntopt(m, "pids");
        if (is_first || !strcmp(m->mnt_type, "cgroup2"))
            snprintf(top, sizeof top, "%s", m->mnt_dir);
    }
    snprintf(cgroup, sizeof cgroup, "%s/container-XXXXXX", top);
    if (!*top || !mkdtemp(cgroup))
        err(125, "make a cgroup in %s", top);
    atexit(remove_cgroup);
    if (!is_first)
        write_to(top, "cgroup.subtree_control", "+pids");
    write_to(cgroup, "pids.max", "20");
}

/* Sets the container up from within, as its PID 1, and becomes the command. */
static void become(char **argv)
{
    const char *root = getenv("ROOTFS") ? getenv("ROOTFS") : "rootfs";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    write_to(cgroup, "cgroup.procs", "0"); /* step 8 */
    if (sethostname("container", strlen("container"))) /* step 4 */
        err(125, "set the hostname");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) /* step 7 */
        err(125, "make / private");
    if (chroot(root) || chdir("/")) /* step 6 */
        err(125, "chroot to %s", root);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) /* step 7 */
        err(125, "mount proc on /proc");
    execvp(argv[0], argv); /* step 2 */
    err(errno == ENOENT ? 127 : 126, "execute %s", argv[0]);
}

static void end_container(int number)
{
    (void)number;
    kill(child, SIGKILL);
}

int main(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "run"))
        errx(125, "usage: %s run COMMAND [ARG...]", argv[0]);
    make_cgroup();
    if (unshare(CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNS)) /* steps 3, 5 and 7 */
        err(125, "unshare");
    child = fork();
    if (child == -1)
        err(125, "fork");
    if (child == 0)
        become(argv + 2);
    signal(SIGINT, SIG_IGN); /* the terminal sends these two to the command as well */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTERM, end_container);
    signal(SIGHUP, end_container);
    int status;
    if (waitpid(child, &status, 0) == -1)
        err(125, "wait for the command");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
