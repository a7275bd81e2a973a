#!/usr/bin/env python3
"""The container of all eight steps, in Python. It takes root, and Python 3.9.

usage: container.py run COMMAND [ARG...]        ROOTFS names the root filesystem (rootfs)

What it lacks: the command is PID 1, which ignores each signal that it does not handle. So
Ctrl-C does not end `sleep`, and SIGTERM has to become SIGKILL. At the wrong moment SIGTERM
leaves the cgroup behind, and SIGKILL at any. The exit status of every failure is 125.
"""

import ctypes
import os
import socket
import sys
import tempfile
import time
from signal import SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGTERM, signal

# From linux/sched.h, linux/mount.h and linux/prctl.h.
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID = 0x20000, 0x4000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def run(argv):
    """Runs the command in a container, and returns its exit status."""
    cgroup = make_cgroup()
    try:
        call("unshare", CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNS)  # steps 3, 5 and 7
        child = os.fork()
        if child == 0:
            become(argv, cgroup)
        for number in SIGINT, SIGQUIT:  # the terminal sends these to the command as well
            signal(number, SIG_IGN)
        for number in SIGTERM, SIGHUP:
            signal(number, lambda *_: os.kill(child, SIGKILL))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])  # step 2
        return code if code >= 0 else 128 - code
    finally:
        remove(cgroup)


def become(argv, cgroup):
    """Sets the container up from within, as its PID 1, and becomes the command."""
    try:
        call("prctl", PR_SET_PDEATHSIG, SIGKILL)
        write(f"{cgroup}/cgroup.procs", "0")  # step 8
        socket.sethostname("container")  # step 4
        call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)  # step 7
        os.chroot(os.environ.get("ROOTFS", "rootfs"))  # step 6
        os.chdir("/")
        call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
        signal(SIGPIPE, SIG_DFL)  # Python ignores it, and what is ignored stays so
        os.execvp(argv[0], argv)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(125)  # the cgroup is for the parent to remove


def make_cgroup():
    """Step 8: room for 20 processes, in the hierarchy of version 1 or 2 that counts them."""
    with open("/proc/self/mounts") as mounts:
        mounts = [line.split(" ") for line in mounts]  # SOURCE POINT TYPE OPTIONS 0 0
    first = [m[1] for m in mounts if m[2] == "cgroup" and "pids" in m[3].split(",")]
    second = [m[1] for m in mounts if m[2] == "cgroup2"]
    top = (first + second)[0]
    cgroup = tempfile.mkdtemp(prefix="container-", dir=top)
    if not first:
        write(f"{top}/cgroup.subtree_control", "+pids")
    write(f"{cgroup}/pids.max", "20")
    return cgroup


def remove(cgroup):
    """A cgroup is busy for a moment after its last process has ended."""
    for _ in range(100):
        try:
            return os.rmdir(cgroup)
        except OSError:
            time.sleep(0.01)


def call(name, *args):
    """Calls a function of the C library that returns -1, and sets errno, if it fails."""
    if getattr(libc, name)(*args) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    if sys.argv[1:2] != ["run"] or len(sys.argv) < 3:
        print(f"usage: {sys.argv[0]} run COMMAND [ARG...]", file=sys.stderr)
        sys.exit(125)
    sys.exit(run(sys.argv[2:]))
