# shellcheck shell=bash disable=SC2154 # helpers.sh comes before.
# What the doctor says of many machines: this one, seen by different users and with parts of it
# hidden, and some that are made up of files.
set -eu
# It is a root filesystem, and there on every machine.
export ROOTFS=/
# One sudo for every machine; who has none is a case of its own.
script "$top/program/sudo" "echo Sudo version 1.9.13"
# asks STATUS COMMAND...: what the doctor says, which has to be plain and to fit.
asks() {
    local expected=$1 status=0 wide
    shift
    said=$("$@" 2>"$top/errors") || status=$?
    [ ! -s "$top/errors" ] || say "no error: $(cat "$top/errors")"
    [ "$status" = "$expected" ] || say "status $expected, but $status: $said"
    # But for commands.
    wide=$(grep -E '.{81}' <<<"$said" | grep -vE '^ .*(/|cargo run|runner)') || :
    [ -z "$wide" ] || say "80 columns: $wide"
    case $said in *$'\e'*) say "plain: $said" ;; esac
    case ${said##*$'\n'} in "Next: "*) ;; *) say "what is next: $said" ;; esac
}
# row NAME: what stands beside it, with its lines joined.
row() {
    awk -v name="$1" '
        !found && index($0, name) == 1 { found = 1; $0 = substr($0, length(name) + 1) }
        found && !/^ / { exit }
        found { $1 = $1; print }' <<<"$said" | paste -sd' '
}
# steps NUMBERS=VERDICT...: what is said of these, as in `steps 1-7=yes 8="no: "`. A verdict that
# ends with a blank has more.
steps() {
    local each verdict number found
    for each; do
        verdict=${each#*=} each=${each%%=*}
        for number in $(seq "${each%-*}" "${each#*-}"); do
            found=$(row "$(grep -o "^step0$number-[a-z]*" <<<"$said")")
            [[ $found == "$verdict" || $verdict == *" " && $found == "$verdict"* ]] ||
                say "step $number: $verdict, but $found in: $said"
        done
    done
}
# has ROW=TEXT...: it has this in its right cell.
has() {
    local each
    for each; do
        [[ $(row "${each%%=*}") == *"${each#*=}"* ]] || say "$each, but $(row "${each%%=*}")"
    done
}
# Makes /proc and a cgroup file system of version 2 from files: make_up PROCS ENABLED, which is
# what its top says of itself.
make_up() {
    mkdir -p proc/self proc/sys/kernel cgroup
    echo domain >cgroup/cgroup.type
    echo "cpu memory pids" >cgroup/cgroup.controllers
    printf '%b' "$1" >cgroup/cgroup.procs
    printf '%b' "$2" >cgroup/cgroup.subtree_control
    # What step 8 believes has to be on the device that is told.
    printf '%s\n' "20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw" \
        "30 20 $(stat -c %Hd:%Ld cgroup) / $PWD/cgroup rw shared:2 - cgroup2 cgroup2 rw" >proc/self/mountinfo
    echo 0::/ >proc/self/cgroup
    echo 0 0 4294967295 >proc/self/uid_map
    ln -s "$top/program/doctor" proc/self/exe
}
# Has the one that is made up say that who asks may do nothing.
take_rights() { printf 'CapEff: 0000000000000000\nCapBnd: 000001ffffffffff\nNoNewPrivs: 0\n' >proc/self/status; }
# there COMMAND...: on the machine that is made up.
there() {
    local status=0
    mount --bind proc /proc
    "$@" || status=$?
    umount /proc
    return $status
}
# exits STATUS COMMAND...: with that.
exits() {
    local status=0
    "${@:2}" >/dev/null 2>&1 || status=$?
    [ $status = "$1" ] || say "$*, but $status"
}
# The cgroups that are left of a process that has ended, where step 8 makes its own.
orphans() {
    find /sys/fs/cgroup -maxdepth 2 -name 'container-*' | sort | while read -r path; do
        pid=${path##*/container-}
        [ -e "/proc/${pid%%-*}" ] || echo "$path"
    done
}
# What a step changes, on this machine.
look() {
    hostname
    cat /proc/self/mountinfo
    find /sys/fs/cgroup -maxdepth 2 -name cgroup.subtree_control -exec cat {} +
}

# The tests.

root_can_run_all_eight() {
    asks 0 doctor
    steps 1-8=yes
    heard "Next: all eight"
    has user=root rootfs="/, with bash, ps" namespaces="uts pid mnt net ipc"
}

a_caller_may_ignore_the_end_of_its_children() {
    asks 0 env --ignore-signal=CHLD doctor
    steps 1-8=yes
}

the_machine_stays_as_it_was() {
    orphans >known
    # Mounts are shared, as systemd has them, and so one that leaks is seen.
    mount --make-rshared /
    hostname outside
    look >before
    asks 0 doctor
    asks 1 user doctor
    look >after
    cmp before after || say "the same"
    # What other tests leave for a moment is soon gone.
    for _ in $(seq 200); do
        left=$(orphans | comm -13 known -)
        [ "$left" ] || return 0
        sleep 0.01
    done
    say "no cgroup is left: $left"
}

a_user_is_told_both_ways_and_their_commands() {
    asks 1 user doctor
    steps 1-2=yes 3-7="with unshare -r or with sudo -E" 8="with sudo -E"
    has user="uid 1000"
    heard "Steps 3 to 7, as root of a user namespace" $'runner = "unshare -r"\n' \
        $'Steps 3 to 8, as root:\n  # in .cargo/config.toml\n' \
        $'\n  [target.\'cfg(target_os = "linux")\']\n  runner = "sudo -E"\n'
}

without_sudo_there_is_su() {
    mkdir bin
    ln -s "$(command -v bash)" "$(command -v ps)" "$(command -v setpriv)" "$(command -v unshare)" "$top/program/doctor" bin
    PATH=$PWD/bin asks 1 user doctor
    steps 3-7="with unshare -r or as root" 8="as root"
    heard $'Steps 3 to 8, as root:\n  cargo build\n  su -c \'target/debug/step03-uts run bash\'\n'
}

root_of_a_user_namespace_lacks_a_cgroup_only() {
    asks 1 user unshare -r doctor
    steps 1-7=yes 8="with sudo -E"
    has user="user namespace, uid 1000 outside"
    heard "Step 8, as root outside"
}

a_covered_proc_is_in_the_way_of_unshare() {
    mount --bind /dev/null /proc/interrupts
    asks 1 user doctor
    steps 6="with unshare -r or with sudo -E" 7-8="with sudo -E"
    heard "Steps 3 to 8, as root"
}

who_lacks_the_capability_hears_so() {
    drop=(setpriv --bounding-set=-sys_admin --no-new-privs)
    asks 1 "${drop[@]}" doctor
    steps 3-7="with unshare -r"
    has user="root, without CAP_SYS_ADMIN -> the steps from 3 on need CAP_SYS_ADMIN, which"
    asks 1 user --no-new-privs doctor
    steps 8="no: needs CAP_SYS_ADMIN: see user"
    asks 1 unshare -r sh -c "echo 0 >/proc/sys/user/max_user_namespaces; ${drop[*]} doctor"
    steps 3-8="no: needs CAP_SYS_ADMIN: see user"
    has "user namespaces=\`unshare -r\` fails: unshare: unshare failed: No space"
    heard $'\n                    sudo sysctl user.max_user_namespaces=10000\n' \
        "Next: do what the first table says"
}

cgroups_can_be_read_only() {
    cut -d' ' -f5 /proc/self/mountinfo | grep ^/sys/fs/cgroup | xargs -n1 mount -o remount,bind,ro
    asks 1 doctor
    steps 1-7=yes 8="no: "
    has pids="Read-only file system" pids="\`--privileged\`"
}

a_missing_rootfs_is_made_by_a_command() {
    asks 1 env -u ROOTFS doctor
    steps 1-5=yes 6-8="no: needs a rootfs"
    has rootfs="no ./rootfs -> \`cargo run --bin rootfs\`"
    heard $'\nNext: `cargo run --bin rootfs`'
    ROOTFS=nowhere asks 1 user doctor
    steps 8="with sudo -E, once there is a rootfs"
    has rootfs="\`cargo run --bin rootfs -- nowhere\`"
    # However long, a command stays on one line, so that it can be copied.
    far=/where/nobody/has/ever/been/and/nobody/will/ever/go
    said=$(ROOTFS=$far doctor) || :
    heard "-> \`cargo run --bin rootfs -- $far\`"$'\n'
}

a_rootfs_can_be_out_of_reach() {
    mkdir -p secret/rootfs/bin
    touch secret/rootfs/bin/bash
    chmod 700 secret
    ROOTFS=secret/rootfs asks 1 user doctor
    has rootfs="secret/rootfs: Permission denied"
    heard "Next: do what the first table says"
}

a_rootfs_can_lack_device_files() {
    unset ROOTFS
    mkdir -p rootfs/bin
    touch rootfs/bin/bash
    asks 1 doctor
    # Another tool's, which our program would not change.
    has rootfs="./rootfs, with bash, no ps no device files"
    heard $'\n                    mknod -m 666 ./rootfs/dev/null c 1 3\n'
    touch rootfs/.made-by-rootfs
    asks 1 doctor
    has rootfs="-> \`cargo run --bin rootfs\`, as root"
    mkdir rootfs/dev
    mknod rootfs/dev/null c 1 3
    asks 1 doctor
    case $said in *"device files"*) say "no word of device files: $said" ;; esac
}

# As Debian 13 mounts /tmp.
a_file_system_can_forbid_device_files_and_programs() {
    unset ROOTFS
    mkdir rootfs disk
    for option in nodev noexec; do
        mount -t tmpfs -o $option none rootfs
        mkdir rootfs/dev
        mknod rootfs/dev/null c 1 3
        asks 1 doctor
        has rootfs="mounted $option" rootfs="name it in ROOTFS"
        umount rootfs
        mount -t tmpfs -o $option none disk
        ROOTFS=disk/rootfs asks 1 doctor
        has rootfs="no disk/rootfs and its place is on a file system mounted $option"
        umount disk
    done
}

a_limit_on_namespaces_is_named() {
    asks 1 unshare -r sh -c 'cd /proc/sys/user; echo 0 >max_uts_namespaces; echo 0 >max_pid_namespaces; doctor'
    steps 3-7="no: there is no room for its namespaces: see namespaces"
    has namespaces="not uts pid: No space left on device"
    heard $'\n                    sudo sysctl user.max_uts_namespaces=10000\n'
    asks 1 unshare -r unshare -u sh -c 'echo 1 >/proc/sys/user/max_uts_namespaces; doctor'
    has namespaces="user.max_uts_namespaces is 1, and as many are in use"
}

a_sudo_that_keeps_no_environment_is_told() {
    mkdir -p bin rootfs/bin
    script bin/sudo "echo sudo-rs 0.2.8"
    PATH=$PWD/bin:$PATH
    asks 1 user doctor
    steps 8="with sudo ROOTFS=/"
    heard $'runner = "sudo ROOTFS=/"\n'
    asks 1 user env -u ROOTFS doctor
    steps 8="with sudo"
    script bin/sudo.ws ""
    asks 1 user doctor
    steps 8="with sudo.ws -E"
    heard $'runner = "sudo.ws -E"\n'
}

a_delegated_cgroup_is_a_way_to_step_8() {
    mkdir bin
    make_up "" 'pids\n'
    # It is believed here that it does what it is asked for.
    # shellcheck disable=SC2016 # This is for that program.
    script bin/systemd-run '[ "$*" != "${*#*--user --scope -p Delegate=yes unshare -r }" ]'
    take_rights
    PATH=$PWD/bin:$PATH asks 1 there user doctor
    steps 8="with systemd-run or with sudo -E"
    heard $'\n  systemd-run --quiet --user --scope -p Delegate=yes cargo run -p step08-cgroup -- run bash\n'
}

cgroups_can_be_covered() {
    for point in $(cut -d' ' -f5 /proc/self/mountinfo | grep ^/sys/fs/cgroup | tac); do
        umount "$point"
    done
    over=/sys/fs/cgroup/over
    mount -t tmpfs none /sys/fs/cgroup
    mkdir $over
    mount -t cgroup2 none $over || mount -t cgroup -o pids none $over
    mount -t tmpfs none $over
    asks 1 doctor
    steps 1-7=yes 8="no: "
    has cgroups="something lies over $over -> \`umount"
}

programs_can_be_missing() {
    asks 1 env PATH=/nowhere "$top/program/doctor"
    steps 1=yes 2-5="no: "
    has programs="no bash, no ps -> \`apt-get install bash\`" \
        programs="\`apt-get install procps\`"
    # The steps run what they are given.
    mkdir bin
    ln -s /bin/sh bin/sh
    asks 0 env PATH="$PWD/bin:$PWD/bin" "$top/program/doctor"
    has programs="no bash"
}

a_machine_without_proc_is_cured_first() {
    mount -t tmpfs none /proc
    asks 1 doctor
    steps 1-3=yes 4-8="no: needs /proc"
    has /proc="\`mount -t proc proc /proc\`"
}

a_shared_root_is_no_obstacle() {
    mount --make-rshared /
    asks 0 doctor
    has mounts="\`/\` is shared"
}

a_crowded_top_cgroup_takes_two_commands() {
    make_up '1\n7\n' ""
    asks 1 there doctor
    steps 1-7=yes 8="no: "
    has pids="holds processes"
    indent=$'\n                    '
    heard "${indent}mkdir $PWD/cgroup/init${indent}xargs -n1 < $PWD/cgroup/cgroup.procs > $PWD/cgroup/init/cgroup.procs"$'\n'
}

pids_are_not_enabled_for_a_trial() {
    make_up "" 'cpu\n'
    echo 5.15.90.1-microsoft-standard-WSL2 >proc/sys/kernel/osrelease
    before=$(ls cgroup)
    asks 0 there doctor
    steps 1-8=yes
    has pids="step 8 does by itself" cgroups="v2, at " WSL="version 2" mounts="\`/\` is shared"
    [ "$(cat cgroup/cgroup.subtree_control)" = cpu ] || say "cpu alone is enabled"
    [ "$(ls cgroup)" = "$before" ] || say "the same files"
    # Once they are, it is tried, and where they cannot be, too. Unlike in a cgroup, there
    # is no file for a cap then, and nobody makes one.
    for change in "subtree_control cpu pids" "controllers cpu"; do
        echo "${change#* }" >"cgroup/cgroup.${change%% *}"
        said=$(there doctor 2>&1) || :
        heard pids.max:
        echo cpu >cgroup/cgroup.subtree_control
    done
}

settings_that_forbid_user_namespaces_are_named() {
    make_up "" 'pids\n'
    take_rights
    echo 1 >proc/sys/kernel/apparmor_restrict_unprivileged_userns
    echo 0 >proc/sys/kernel/unprivileged_userns_clone
    echo 4.19.0-27-amd64 >proc/sys/kernel/osrelease
    asks 1 there user doctor
    steps 3="with sudo -E"
    heard $'   sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0\n' \
        $'   sudo sysctl kernel.unprivileged_userns_clone=1\n'
    has kernel="5.10 and later"
}

what_cannot_be_written_is_an_error() {
    exits 125 sh -c 'doctor >/dev/full'
    exits 0 sh -c 'doctor >&-'
    exits 125 sh -c 'doctor >/dev/full 2>&-'
    said=$(sh -c '{ doctor; echo "ended with $?" >&2; } | :' 2>&1)
    heard "write to standard output" "ended with 125"
}

other_command_lines_are_refused() {
    exits 125 doctor now
    exits 125 doctor --colour
    exits 125 doctor try
    exits 125 doctor try step
    case $(doctor --help) in "usage: doctor"$'\n'*) ;; *) say "help" ;; esac
}
