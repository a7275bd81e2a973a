# shellcheck shell=bash disable=SC2154 # helpers.sh comes before.
# `leaks` sees what each step adds, tells each kind of namespace from the others, and leaves
# nothing behind. This takes the steps' programs, from `cargo build`, which lie where it does.
set -eu
unset RUST_BACKTRACE
PATH=$PATH:${1%/*}
command -v step08-cgroup >/dev/null || say "there is step08-cgroup, which \`cargo build\` makes"
# The host: it is for one test only, and so not even a broken step can do harm to it.
hostname laptop
cd "${ROOTFS%/*}"
# table COMMAND...: what `leaks --plain` prints about it.
table() { said=$(leaks --plain "$@") || say "a table of $*"; }
# own ROW...: these are the container's own, and no others.
own() {
    local rows
    rows=$(awk -F'\t' '$2 == "own" { print $1 }' <<<"$said" | sort)
    [ "$rows" = "$(printf '%s\n' "$@" | sort)" ] || say "own $*: $said"
}
# shows ROW START: what stands behind its name.
shows() { [[ $'\n'$said == *$'\n'"$1"$'\t'"$2"* ]] || say "$1: $2, in: $said"; }
# fails STATUS TEXT COMMAND...: with these words among its errors, and no others.
fails() {
    local expected=$1 text=$2 status=0
    shift 2
    said=$("$@" 2>&1 >"$top/printed") || status=$?
    [ $status = "$expected" ] || say "status $expected of $*, but $status: $said"
    heard "$text"
    [ ! -s "$top/printed" ] || say "nothing on standard output"
}
# processes COUNT WORD: so many have the word in their command lines, which grep has not.
processes() { [ "$(grep -lzx -- "[${2:0:1}]${2:1}" /proc/[0-9]*/cmdline 2>/dev/null | wc -l)" = "$1" ]; }

# The tests.

each_step_turns_its_rows() {
    known=()
    for step in step02-exec step03-uts:hostname step04-child step05-pid:PIDs \
        "step06-chroot:root and files:device files" "step07-proc:process list:mounts" \
        "step08-cgroup:process limit"; do
        IFS=: read -ra words <<<"$step"
        known+=("${words[@]:1}")
        table "${words[0]}" run
        own "${known[@]}"
        # The /proc of step 6 is empty.
        case $said in
            *$'process list\tnone'*) [ "${words[0]}" = step06-chroot ] || say "processes: $said" ;;
            *) [ "${words[0]}" != step06-chroot ] || say "no process: $said" ;;
        esac
    done
}

evidence_is_what_a_reader_can_check() {
    table step03-uts run
    shows hostname $'own\tlaptop still, but in uts:['
    table step08-cgroup run
    shows hostname $'own\tcontainer, not laptop'
    shows PIDs $'own\t2 inside is '
    shows "root and files" $'own\tits / is rootfs'
    shows "device files" $'own\tnull random tty urandom zero'
    shows "process list" $'own\t/proc shows 2 of its own, not leaks'
    shows "process limit" $'own\tat most 20 processes'
    shows "user IDs" $'shared\t0 inside and outside'
    shows descriptors $'shared\t3 leads to the host\'s /'
    shows kernel $'shared\tthe host\'s: the probe is its process '
}

each_namespace_turns_its_row() {
    turns() {
        table unshare --fork "$1"
        own "${@:2}"
    }
    turns --uts hostname
    turns --pid PIDs
    turns --mount mounts
    turns --net network
    turns --ipc IPC
    turns --map-root-user "user IDs" capabilities
    turns --cgroup "cgroup view"
    turns --time clock
    table unshare --fork --mount-proc --pid
    own "process list" mounts PIDs
}

mounts_that_reach_the_host_are_shared() {
    # A host like one with systemd.
    mount --make-rshared /
    table unshare --mount --propagation unchanged
    own
    table unshare --mount --propagation private
    own mounts
}

a_shell_is_enough() {
    root=$top/here/root
    cp -a rootfs "$root"
    find "$root/usr/bin" -mindepth 1 ! -name sh -delete
    rm -r "${root:?}/dev"
    rmdir "$root/proc"
    table unshare --mount chroot "$root"
    own "root and files" mounts
    shows "device files" $'none\t'
    shows "process list" $'none\t'
}

a_shell_that_reads_its_input_will_do() {
    table --stdin step05-pid run sh
    own hostname PIDs
}

# As mydocker, and other runtimes, close what is not for the command.
a_closed_descriptor_is_no_leak() {
    table bash -c 'exec 3<&-; exec "$@"' bash
    own descriptors
}

# With a word more, it is not the command line that leaks looks for.
the_probe_is_believed_where_the_host_does_not_show_it() {
    hidden() { table sh -c 'exec "$@" hidden' sh "$@"; }
    hidden
    own
    shows kernel $'shared\tthe same boot_id'
    hidden step07-proc run
    own hostname PIDs "root and files" "device files" "process list" mounts
    # It has no /proc to read: then there is little to believe.
    hidden chroot "$ROOTFS"
    shows network $'unknown\t'
    shows "root and files" $'own\t'
}

step_1_has_nothing_to_share() {
    said=$(leaks step01-run run)
    heard "never started the probe"
    table step01-run run
    ! grep -v $'\tnone\t' <<<"$said" || say "none: $said"
}

a_command_that_fails_is_an_error() {
    fails 127 "execute no-such-program: No such file" leaks no-such-program
    fails 126 "execute /etc/passwd: Permission denied" leaks /etc/passwd
    fails 3 $'why\nerror: `sh -c' leaks sh -c 'echo why >&2; exit 3'
    # shellcheck disable=SC2016 # This is for that shell.
    fails 137 "exit status 137" leaks sh -c 'kill -9 $$'
    fails 125 "chroot to /missing" leaks env ROOTFS=/missing step06-chroot run
    fails 125 "--seconds takes a whole number, up to 4294967295" leaks --seconds 9223372036854775807 true
    for number in -1 "" nan; do
        fails 125 "takes a whole number" leaks --seconds "$number" true
    done
    fails 125 "takes a whole number" leaks --seconds
    fails 1 "had not started the probe" leaks --seconds 1 sleep inf
    fails 125 "not heard within 1 seconds" leaks --seconds 1 sh -c 'sleep 9'
    fails 125 $'unknown option --no-such-option\nusage:' leaks --no-such-option true
    fails 125 $'expected a command that starts a container\nusage:' leaks
}

the_table_fits_into_80_columns() {
    name=$(printf 'n%.0s' {1..64})
    said=$(leaks unshare --uts sh -c "hostname $name; exec \"\$@\"" sh)
    [ "$(wc -l <<<"$said")" = 16 ] || say "16 lines: $said"
    heard $'nnn…\n'
    ! LC_ALL=C.UTF-8 grep -E '.{81}' <<<"$said" || say "80 columns: $said"
}

# A runtime that is killed could leave something behind: it is left to end by itself.
the_container_is_not_killed() {
    # shellcheck disable=SC2016 # This is for that shell.
    said=$(leaks sh -c '"$@"; echo "ended with $?" >&2' sh 2>&1 >/dev/null)
    [ "$said" = "ended with 0" ] || say "ended with 0, but $said"
}

# Here Ctrl-C reaches leaks alone, and the others are deaf to all but SIGKILL.
ctrl_c_takes_all_down() {
    # Not for long, should this test fail, and by its length it is found.
    nap=30.$$ status=0
    # This shell has what it starts in the background ignore SIGINT.
    env --default-signal=INT leaks setsid --wait sh -c "trap '' INT TERM; sleep $nap & sleep $nap" &
    eventually processes 2 $nap
    kill -INT $!
    wait $! || status=$?
    [ $status = 130 ] || say "130, but $status"
    processes 0 $nap || say "no nap is left"
}

# Even if leaks cannot do anything about it any more.
a_container_ends_with_leaks() {
    mark=mark-of-$$
    # Both leaks and the shell in between have the mark in their command lines.
    # shellcheck disable=SC2016 # This is for that shell.
    leaks sh -c 'kill -STOP $PPID; "$@"; exit' $mark &
    # While leaks is stopped, the probe tells all, and waits.
    sleep 0.5
    processes 2 $mark || say "two processes"
    kill -KILL $!
    wait $! || :
    eventually processes 0 $mark
}
