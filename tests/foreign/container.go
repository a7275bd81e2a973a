// The container of all eight steps, in Go. It takes root: go build container.go
//
// usage: container run COMMAND [ARG...]        ROOTFS names the root filesystem (rootfs)
//
// Go's threads count: they take numbers in the PID namespace, so that the command is 6 or 7, and
// would take places under the cap. What it lacks: SIGKILL leaves the cgroup behind.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const usage = "usage: container run COMMAND [ARG...]"

func main() {
	openStreams()
	switch args := os.Args[1:]; {
	case len(args) > 1 && args[0] == "run":
		os.Exit(run(args[1:]))
	case len(args) > 2 && args[0] == "child":
		os.Exit(child(args[1], args[2:]))
	case len(args) > 1 && args[0] == "join":
		os.Exit(join(args[1:]))
	case len(args) == 1 && args[0] == "--help":
		if _, err := fmt.Println(usage); err != nil {
			os.Exit(fail(125, "write to standard output", err))
		}
	default:
		os.Exit(fail(125, "expected `run` and a command", errors.New(usage)))
	}
}

// run starts child in namespaces of its own, and returns the exit status of the command.
func run(argv []string) int {
	signals := listen() // before there is anything to clean up
	cgroup, err := makeCgroup()
	if cgroup != "" {
		defer removeCgroup(cgroup)
	}
	if err != nil {
		return fail(125, "make a cgroup", err)
	}
	gate, ready, err := os.Pipe()
	if err != nil {
		return fail(125, "make a pipe", err)
	}
	// For the kernel, a thread is the parent: this one must not end before us.
	runtime.LockOSThread()
	child := command("/proc/self/exe", append([]string{"child", cgroup}, argv...))
	child.ExtraFiles = []*os.File{ready} // its descriptor 3
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, // steps 3, 5 and 7
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := child.Start(); err != nil {
		return fail(125, "start child in new namespaces", err)
	}
	// Go's programs start with every signal unblocked, and PID 1 loses each that it has no
	// handler for. So none is passed on before child has closed its end.
	ready.Close()
	io.ReadAll(gate)
	return wait(child, signals)
}

// child sets the container up from within, as its PID 1, and executes the command.
func child(cgroup string, argv []string) int {
	signals := listen()
	if err := os.NewFile(3, "gate").Close(); err != nil {
		return fail(125, "only `run` can start child", err)
	}
	procs, err := os.OpenFile(filepath.Join(cgroup, "cgroup.procs"), os.O_WRONLY, 0) // step 8
	if err != nil {
		return fail(125, "open the cgroup", err)
	}
	root := os.Getenv("ROOTFS")
	if root == "" {
		root = "rootfs"
	}
	for _, step := range []struct {
		what string
		err  func() error
	}{
		{"set the hostname", func() error { return syscall.Sethostname([]byte("container")) }},        // step 4
		{"make / private", func() error { return mount("", "/", syscall.MS_REC|syscall.MS_PRIVATE) }}, // step 7
		{"chroot to " + root, func() error { return syscall.Chroot(root) }},                           // step 6
		{"change directory to /", func() error { return os.Chdir("/") }},
		{"mount proc on /proc", func() error { // step 7
			return mount("proc", "/proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC)
		}},
	} {
		if err := step.err(); err != nil {
			return fail(125, step.what, err)
		}
	}
	command := command("/proc/self/exe", append([]string{"join"}, argv...))
	command.ExtraFiles = []*os.File{procs} // its descriptor 3
	if err := command.Start(); err != nil {
		return fail(125, "start join", err)
	}
	return wait(command, signals) // step 2
}

// join joins the cgroup, and becomes the command. PID 1 stays outside: Go starts a thread when
// it likes, and ends if it cannot, as where a fork bomb has taken all places.
func join(argv []string) int {
	procs := os.NewFile(3, "cgroup.procs")
	if _, err := procs.WriteString("0"); err != nil {
		return fail(125, "join the cgroup", err)
	}
	procs.Close()
	path, err := exec.LookPath(argv[0])
	if err == nil {
		err = syscall.Exec(path, argv, os.Environ())
	}
	if argv[0] == "" || errors.Is(err, exec.ErrNotFound) || errors.Is(err, syscall.ENOENT) {
		return fail(127, "execute "+argv[0], err)
	}
	return fail(126, "execute "+argv[0], err)
}

// listen takes four signals for itself. What is ignored already, as by nohup, stays so.
func listen() chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, number := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(number) {
			signal.Notify(signals, number)
		}
	}
	return signals
}

// wait passes two of the signals on until the command has ended, and tells how it did. The
// terminal sends the other two to the command itself.
func wait(command *exec.Cmd, signals chan os.Signal) int {
	go func() {
		for number := range signals {
			if number == syscall.SIGTERM || number == syscall.SIGHUP {
				command.Process.Signal(number)
			}
		}
	}()
	command.Wait()
	status := command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// makeCgroup is step 8: room for 20, in the hierarchy of version 1 or 2 that counts them.
func makeCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	first, second := "", ""
	for _, line := range strings.Split(strings.TrimSpace(string(mounts)), "\n") {
		field := strings.Fields(line) // SOURCE POINT TYPE OPTIONS 0 0
		switch {
		case field[2] == "cgroup" && strings.Contains(","+field[3]+",", ",pids,"):
			first = field[1]
		case field[2] == "cgroup2":
			second = field[1]
		}
	}
	top := first
	if first == "" {
		top = second
		if err := write(top, "cgroup.subtree_control", "+pids"); err != nil {
			return "", err
		}
	}
	cgroup, err := os.MkdirTemp(top, "container-")
	if err != nil {
		return "", err
	}
	return cgroup, write(cgroup, "pids.max", "20")
}

// removeCgroup tries for a while: a cgroup is busy for a moment after its last process.
func removeCgroup(cgroup string) {
	for i := 0; i < 100 && os.Remove(cgroup) != nil; i++ {
		time.Sleep(10 * time.Millisecond)
	}
}

func command(path string, args []string) *exec.Cmd {
	command := exec.Command(path, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return command
}

func mount(kind, point string, flags uintptr) error {
	return syscall.Mount(kind, point, kind, flags, "")
}

// write writes to a file that is there, and never makes one.
func write(folder, name, text string) error {
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(text)
	return err
}

// openStreams opens each standard stream that is closed: a file would take its number.
func openStreams() {
	for fd := 0; fd <= 2; {
		var err error
		if fd, err = syscall.Open("/dev/null", syscall.O_RDWR, 0); err != nil {
			return
		}
		if fd > 2 {
			syscall.Close(fd)
		}
	}
}

func fail(code int, what string, err error) int {
	fmt.Fprintf(os.Stderr, "error: %s: %v\n", what, err)
	return code
}
