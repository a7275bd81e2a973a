// Which children does waitpid(2) find? That depends on the signal they end with.

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[64 * 1024] __attribute__((aligned(16)));

static int end(void *unused) {
    (void)unused;
    return 0;
}

static int execute(void *unused) {
    (void)unused;
    return execlp("true", "true", NULL);
}

static void look_for(pid_t pid, int options) {
    // Wait until the child has ended, and leave it where it is.
    siginfo_t info;
    if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT | __WALL) == -1) err(1, "waitid");
    if (waitpid(pid, NULL, options) == pid) {
        printf("%14s", "found");
    } else {
        printf("%14s", errno == ECHILD ? "ECHILD" : strerror(errno));
        waitpid(pid, NULL, __WALL);
    }
}

static void row(const char *name, int (*child)(void *), int signal) {
    const int options[] = {0, __WCLONE, __WALL};
    printf("%-22s", name);
    for (int i = 0; i < 3; i++) {
        pid_t pid = clone(child, stack + sizeof stack, signal, NULL);
        if (pid == -1) err(1, "clone");
        look_for(pid, options[i]);
    }
    printf("\n");
}

static pthread_barrier_t born;

// Makes a child, and lives on: a thread that ends gives its children to another one.
static void *parent(void *pid) {
    *(pid_t *)pid = fork();
    if (*(pid_t *)pid == 0) _exit(0);
    pthread_barrier_wait(&born);
    pause();
    return NULL;
}

static pid_t child_of_a_thread(void) {
    static pid_t pid;
    pthread_t thread;
    pthread_create(&thread, NULL, parent, &pid);
    pthread_barrier_wait(&born);
    return pid;
}

int main(void) {
    printf("%-22s%14s%14s%14s\n", "termination signal", "0", "__WCLONE", "__WALL");
    row("SIGCHLD", end, SIGCHLD);
    row("none", end, 0);
    row("none, but it executes", execute, 0);

    pthread_barrier_init(&born, NULL, 2);
    printf("\n%-22s%14s%14s\n%-22s", "parent", "0", "__WNOTHREAD", "another thread");
    look_for(child_of_a_thread(), 0);
    look_for(child_of_a_thread(), __WNOTHREAD);
    printf("\n");
}
