// Called like chroot(1), but swaps the root instead of moving one process's.

#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(int result, const char *what) {
    if (result == -1) err(125, "%s", what);
}

int main(int argc, char **argv) {
    if (argc < 3) errx(125, "usage: pivot ROOTFS COMMAND [ARG...]");
    must(unshare(CLONE_NEWNS), "unshare the mount namespace");
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make / private");
    // The new root has to be a mount. Bound onto itself, a directory is one.
    must(mount(argv[1], argv[1], NULL, MS_BIND | MS_REC, NULL), "bind the new root");
    must(chdir(argv[1]), "change directory to the new root");
    // The old root comes to lie on top of the new one …
    must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    // … and is taken off. It is still in use, and so it is detached.
    must(umount2(".", MNT_DETACH), "detach the old root");
    must(chdir("/"), "change directory to /");
    execvp(argv[2], argv + 2);
    err(127, "%s", argv[2]);
}
