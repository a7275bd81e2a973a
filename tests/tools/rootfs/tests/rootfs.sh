# shellcheck shell=bash disable=SC2154 # helpers.sh comes before.
# What `rootfs` does, in good places and in bad ones.
set -eu
# Only these are in this folder.
only() { [ "$(ls -A "$top/here")" = "$(printf '%s\n' "$@")" ] || say "only $*: $(ls -A "$top/here")"; }
# fails TEXT COMMAND...: with 125, and these words in its message.
fails() {
    text=$1 status=0
    shift
    said=$("$@" 2>&1) || status=$?
    [ $status = 125 ] || say "125, but $status: $said"
    heard "$text"
}
# says TEXT COMMAND...: with 0.
says() {
    text=$1
    shift
    said=$("$@" 2>&1) || say "0, but $?: $said"
    heard "$text"
}
# killed_at CALL NUMBER COMMAND...: by SIGKILL, instead of this one of its system calls.
killed_at() {
    local status=0
    strace -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" "${@:3}" >/dev/null 2>&1 || status=$?
    [ $status = 137 ] || say "killed at $1 $2 (is there strace?), but $status"
}
# loaded_by LOADER PROGRAM: makes a program that asks for this loader.
loaded_by() { echo 'int main(void) { return 7; }' | cc -x c - -o "$2" "-Wl,--dynamic-linker=$PWD/$1"; }

# The tests.

it_tells_what_it_took_and_keeps_that_unless_told() {
    says "there: " rootfs there
    heard bash ps libraries ' MB'
    echo mine >there/root/mine
    says kept rootfs there
    [ -e there/root/mine ] || say "the file is kept"
    says "there: " rootfs there/ --fresh
    [ ! -e there/root/mine ] || say "the file is gone"
    only there
    mount -t proc proc there/proc
    chroot there bash -c 'ps && top -b -n 1 && TERM=vt220 clear' >/dev/null || say "programs run"
}

a_folder_that_it_did_not_make_is_left_alone() {
    mkdir home
    echo mine >home/mine
    fails "did not make it" rootfs home --fresh
    fails "did not make it" rootfs home --add sleep
    says "did not make it" rootfs home
    [ "$(ls -A home)" = mine ] || say "only the file"
    only home
}

# The kernel writes some in its list of mounts as `\040`, `\011`, `\012` and `\134`. Not all
# paths are text.
what_is_mounted_in_it_is_left_alone_whatever_the_path() {
    mkdir home
    echo mine >home/mine
    for name in "c dir" $'c\tdir' $'c\ndir' 'c\dir' 'c\040dir' "c#dir" plain ä $'c\xff'; do
        mkdir "$name"
        cd "$name"
        says MB rootfs
        mount --bind ../home rootfs/root
        fails "mounted in rootfs: unmount it first (rootfs/root)" rootfs --fresh
        [ "$(cat ../home/mine)" = mine ] || say "the file is there"
        umount rootfs/root
        mount --bind rootfs rootfs
        fails "mounted in rootfs" rootfs --fresh
        umount rootfs
        mount --bind ../home/mine rootfs/etc/passwd
        fails "(rootfs/etc/passwd)" rootfs --fresh
        umount rootfs/etc/passwd
        mount -t tmpfs none rootfs/tmp
        echo mine >rootfs/tmp/mine
        fails mounted rootfs --fresh
        [ -e rootfs/tmp/mine ] || say "the file is there"
        umount rootfs/tmp
        says MB rootfs --fresh
        [ "$(ls -A)" = rootfs ] || say "only rootfs: $(ls -A)"
        cd ..
    done
}

# A list of mounts does not show what comes a moment later: here, while it copies.
a_mount_that_comes_meanwhile_is_left_alone() {
    mkdir home
    echo mine >home/mine
    says MB rootfs
    loaded_by ld-slow slow
    script ld-slow "mount --bind '$PWD/home' '$PWD/rootfs/root' && echo '$PWD/ld-slow (0x0)'"
    fails mounted rootfs --fresh --add ./slow
    [ "$(cat home/mine)" = mine ] || say "the file is there"
}

a_link_is_followed_and_stays() {
    mkdir far
    ln -s far near
    says MB rootfs near
    [[ -L near && -x far/bin/bash ]] || say "a link, and what it leads to"
    says MB rootfs near --fresh
    [[ -L near && -x far/bin/bash ]] || say "a link, and what it leads to"
    ln -s nowhere broken
    fails "a link to what is not there" rootfs broken
    rm broken
    only far near
}

odd_names_are_refused_or_taken_for_what_they_are() {
    fails "name of the folder is empty" rootfs ""
    fails "you are in" rootfs .
    says kept rootfs ..
    fails "did not make it" rootfs .. --fresh
    says kept rootfs /
    fails "did not make it" rootfs / --fresh
    fails "no folder" rootfs /etc/passwd
    fails "no folder" rootfs /etc/passwd --fresh
    fails "no-such" rootfs no-such/rootfs
    fails usage: rootfs --add
    fails usage: rootfs a b
    fails usage: rootfs --no-such-option
    only ''
    says MB rootfs one/
    says kept rootfs one/.
    says kept rootfs ./one//
    cd one
    says kept rootfs .
    fails "you are in" rootfs . --fresh
    cd root
    fails "you are in" rootfs .. --fresh
    cd ../..
    only one
}

a_missing_program_is_named_with_its_package() {
    mkdir bin
    for path in /usr/bin/ps /bin/ps; do mount --bind /dev/null $path; done
    fails "no ps on this machine: \`apt-get install procps\` brings it" rootfs
    # Another distribution's.
    script bin/apk ""
    PATH=$PWD/bin:$PATH fails "apk add procps-ng" rootfs
    only bin
}

nothing_is_left_on_a_full_disk() {
    mkdir disk
    mount -t tmpfs -o size=2m none disk
    fails "No space left on device" rootfs disk/rootfs
    [ -z "$(ls -A disk)" ] || say "an empty folder"
}

# A program in Rust needs libgcc_s, which no other program in there brings.
half_a_file_is_never_added() {
    mkdir disk
    mount -t tmpfs -o size=200m none disk
    says MB rootfs disk/rootfs
    # Some sizes, so that the end comes in the library, and in the program.
    for size in 100k 400k 1000k; do
        fallocate -l $(($(df --output=avail -B1 disk | tail -1) - $(numfmt --from=iec "${size^^}"))) disk/fill
        fails "No space left on device" rootfs disk/rootfs --add "$top/program/rootfs"
        rm disk/fill
        left=$(cd disk/rootfs && find . -newer ./.made-by-rootfs -size -1k -type f -name '*.so*')
        [ -z "$left" ] || say "no half a library, but $left"
        [ -z "$(find disk/rootfs -name '.part*')" ] || say "no temporary file"
    done
    says added rootfs disk/rootfs --add "$top/program/rootfs"
    chroot disk/rootfs rootfs --help >/dev/null || say "it runs"
    says added rootfs disk/rootfs --add "$top/program/rootfs"
}

# Killed at many moments, it leaves nothing that the next run does not see to.
a_killed_one_is_cleared_up_by_the_next() {
    says MB rootfs
    # Before it can tell whose a folder is, too.
    for moment in "mkdir 1" "mkdir 2" "fchmod 2" "renameat 1"; do
        rm -r rootfs
        # shellcheck disable=SC2086 # They are words.
        killed_at $moment rootfs
        says MB rootfs
        only rootfs
    done
    for delay in 0.01 0.1 0.3 0.5 0.7 0.9; do
        # Else it kills itself as well, and has ended before the other.
        timeout --foreground -s KILL $delay rootfs --fresh >/dev/null 2>&1 || :
        timeout --foreground -s KILL $delay rootfs --add ls >/dev/null 2>&1 || :
        says rootfs rootfs
        only rootfs
        chroot rootfs true || say "a whole one after $delay"
    done
}

# As by SIGKILL between any two of its renames.
nothing_is_lost_between_two_renames() {
    says MB rootfs
    all=$(strace -e trace=renameat rootfs --fresh 2>&1 | grep -c '^renameat')
    # The files are renamed first, then what tells whose the old one is, the folders, and what
    # tells whose the new one is.
    for moment in "renameat $((all - 2))" "renameat $((all - 1))" "rename 1" "rename 2" "rename 3" "renameat $all"; do
        # shellcheck disable=SC2086 # They are words.
        killed_at $moment rootfs --fresh
        says rootfs rootfs
        [ "$said" != "${said#*kept}" ] || say "kept, after $moment: $said"
        only rootfs
        chroot rootfs true || say "a whole one"
    done
}

another_ones_work_is_not_taken_for_a_leftover() {
    mkdir rootfs.part-mine rootfs.old-mine
    touch rootfs.part-mine/mine rootfs.old-mine/.made-by-rootfs
    loaded_by ld-slow slow
    script ld-slow "while [ ! -e '$PWD/go' ]; do sleep 0.05; done; echo '$PWD/ld-slow (0x0)'"
    rootfs --add ./slow >/dev/null &
    until compgen -G 'rootfs.part-??????' >/dev/null; do sleep 0.05; done
    says MB rootfs
    touch go
    ! wait $! || say "the slower one finds another"
    rm go
    only ld-slow rootfs rootfs.old-mine rootfs.part-mine slow
    chroot rootfs true || say "a whole one"
    cp -a rootfs rootfs.old-backup
    says MB rootfs --fresh
    [ -d rootfs.old-backup ] || say "a copy stays"
    flock rootfs sh -c '! rootfs --fresh' 2>/dev/null || say "a locked one is left alone"
}

# Whatever a container has made of it, root writes in it and nowhere else.
no_link_leads_out_of_it() {
    mkdir home
    says MB rootfs
    rm -r rootfs/dev rootfs/usr/bin/sleep
    mv rootfs/usr/bin rootfs/usr/programs
    ln -s "$PWD/home" rootfs/dev
    ln -s ../../home rootfs/usr/bin
    rootfs >/dev/null 2>&1 || :
    rootfs --add sleep >/dev/null 2>&1 || :
    [ -z "$(ls -A home)" ] || say "an empty home: $(ls home)"
}

a_umask_has_no_say() {
    for umask in 077 0777 027 000; do
        rm -rf rootfs
        umask $umask
        says MB rootfs
        says added rootfs --add "$top/program/rootfs"
        umask 022
        chroot --userspec 1000:1000 rootfs sh -c \
            'ls / /etc /root /usr/bin /lib && rootfs --help && >/tmp/mine' >/dev/null || say "a user lives there"
        modes=$(stat -c %a rootfs rootfs/tmp rootfs/etc/passwd rootfs/bin/ls | xargs)
        [ "$modes" = "755 1777 644 755" ] || say "these modes: $modes"
        [ -z "$(find rootfs -perm /022 ! -type l ! -type c ! -name tmp)" ] || say "nobody else may write"
    done
    # Without root as well.
    rm -rf rootfs
    umask 0777
    says 'no device files' user rootfs
    user rootfs --fresh >/dev/null
}

a_caller_may_ignore_the_end_of_its_children() {
    says MB env --ignore-signal=CHLD rootfs
    says added env --ignore-signal=CHLD rootfs --add ls
}

root_adds_device_files() {
    says "no device files" user rootfs
    says "kept" user rootfs
    heard "no device files"
    echo "what somebody wrote" >rootfs/dev/null
    says kept rootfs
    case $said in *device*) say "no word of devices: $said" ;; esac
    [ -c rootfs/dev/null ] || say "a device file"
    only rootfs
}

what_is_roots_is_neither_lost_nor_half_deleted() {
    says MB user rootfs
    mkdir rootfs/root/roots
    touch rootfs/root/roots/file
    before=$(find rootfs | sort)
    fails "chown -R 1000 rootfs" user rootfs --fresh
    [ "$before" = "$(find rootfs | sort)" ] || say "all as it was"
    only rootfs
    chown -R 1000 rootfs
    says MB user rootfs --fresh
    only rootfs
}

each_kind_of_program_is_added() {
    says MB rootfs
    printf '#!/usr/bin/env -S LC_ALL=C perl -w\nprint "perl\\n"' >script.pl
    mkdir -p tools folder
    cp /bin/dash "tools/a shell"
    printf '#!%s/tools/sh2 -e\necho script' "$PWD" >script
    cp /bin/dash tools/sh2
    chmod 755 script script.pl
    says added rootfs --add ./script --add ./script.pl --add "tools/a shell"
    [ "$(chroot rootfs script)" = script ] || say "a script runs"
    [ "$(chroot rootfs script.pl)" = perl ] || say "a script in perl runs"
    [ "$(chroot rootfs 'a shell' -c 'echo hello')" = hello ] || say "a shell runs"
    fails "no program, but a folder" rootfs --add ./folder
    fails "no-such-program" rootfs --add no-such-program
    fails "/no/such: No such file" rootfs --add /no/such
    echo text >text
    fails "nobody may execute it" rootfs --add ./text
    printf '#!/no/such/interpreter\n' >broken
    chmod 755 broken
    fails "/no/such/interpreter" rootfs --add ./broken
    # One that is static, and one for another C library, where this machine has them.
    echo 'int main(void) { return 7; }' >seven.c
    if command -v gcc >/dev/null && gcc -static -o static seven.c; then
        says added rootfs --add ./static
        chroot rootfs static || [ $? = 7 ] || say "the static one runs"
    fi
    if command -v musl-gcc >/dev/null && musl-gcc -o musl seven.c; then
        says added rootfs --add ./musl
        chroot rootfs musl || [ $? = 7 ] || say "that of musl runs"
    fi
    # A program of another machine's: its loader is not here.
    printf '\177ELF\001\001\001\0\0\0\0\0\0\0\0\0\002\0\003\0\001\0\0\0\0\0\0\0\064\0\0\0\0\0\0\0\0\0\0\0\064\0\040\0\001\0\0\0\0\0\0\0' >i386
    printf '\003\0\0\0\124\0\0\0\0\0\0\0\0\0\0\0\023\0\0\0\023\0\0\0\004\0\0\0\001\0\0\0/lib/ld-linux.so.7\0' >>i386
    chmod 755 i386
    fails "lacks its loader /lib/ld-linux.so.7" rootfs --add ./i386
    # Half of one.
    head -c 70 i386 >half
    chmod 755 half
    fails "headers of" rootfs --add ./half
}

# A library may lie in a folder with a blank.
a_loader_is_read_to_the_letter_and_not_believed() {
    mkdir "c libs"
    says MB rootfs
    echo 'int seven(void) { return 7; }' | cc -x c - -shared -fPIC -o "c libs/libseven.so"
    echo 'int seven(void); int main(void) { return seven(); }' | cc -x c - -L "c libs" -l seven -o program
    fails libseven.so rootfs --add ./program
    LD_LIBRARY_PATH="$PWD/c libs" says added rootfs --add ./program
    [ -e "rootfs/$PWD/c libs/libseven.so" ] || say "the library"
    loaded_by ld-strange strange
    for way in 'exit 1' 'exit 0' 'echo "not a dynamic executable" >&2; exit 1'; do
        script ld-strange "$way"
        fails "cannot be loaded by $PWD/ld-strange" rootfs --add ./strange
    done
    loaded_by harm strange
    script harm "touch '$PWD/harmed'"
    fails "not called like a loader" rootfs --add ./strange
    [ ! -e harmed ] || say "not executed"
}

it_takes_what_the_terminal_can_do() {
    mkdir -p home/.terminfo/x more/66
    infocmp -x vt100 | sed 's/^vt100|/xterm-kitty|/' | tic -x -o home/.terminfo -
    cp home/.terminfo/x/xterm-kitty more/66/foot
    TERM=xterm-kitty HOME=$PWD/home says MB rootfs
    [ -s rootfs/usr/share/terminfo/x/xterm-kitty ] || say "that of kitty"
    for name in d/dumb v/vt220 x/xterm l/linux; do
        [ -s rootfs/lib/terminfo/$name ] || [ -s rootfs/usr/share/terminfo/$name ] || say "$name"
    done
    TERM=dumb chroot rootfs top -b -n1 >/dev/null || [ ! -e /proc/1 ] || :
    TERM=vt220 chroot rootfs clear >/dev/null || say "clear knows vt220"
    TERM=foot TERMINFO=$PWD/more says kept user rootfs
    [ ! -e rootfs/usr/share/terminfo/66/foot ] || say "that a user may not"
    TERM=foot TERMINFO=$PWD/more says kept rootfs
    [ -s rootfs/usr/share/terminfo/66/foot ] || say "that of foot"
    for name in ../../etc/passwd "" . /etc/passwd; do
        TERM=$name says added rootfs --add ls
    done
}

the_home_of_the_host_is_not_missed() {
    says MB rootfs
    [ "$(HOME=/home/nobody chroot rootfs bash -ic 'cd && pwd' 2>/dev/null)" = /root ] || say "/root"
}
