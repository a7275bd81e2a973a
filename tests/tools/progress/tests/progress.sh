# shellcheck shell=bash disable=SC2154 # helpers.sh comes before.
# `progress` asks the suites and believes them. Most tests here give it suites that are made up,
# by a cargo that is made up (both are in $FAKE), and so take no time; two ask the real ones, and
# the steps' programs, from `cargo build`.
set -eu
real_cargo=${CARGO:-cargo} slowness=${TEST_SLOWNESS:-1}
unset CONTAINER NO_COLOR TEST_SLOWNESS
LC_ALL=C.UTF-8
export CARGO=$PWD/cargo
cp "$FAKE/cargo.sh" cargo
# suite NAME TEST...: has cargo build one with these tests.
suite() {
    echo "${*:2}" >"$1.tests"
    ln -sf "$FAKE/suite.sh" "$1"
}
# mute NAME TEST: one that ends without a word.
mute() {
    rm -f "$1"
    script "$1" "[ \$1 != --list ] || echo $2: test"
}
# fails NAME...: makes the program `mine` one that fails these tests.
fails() { script mine "# fails: $*"; }
why() { printf '%s\n' "$@" >why; }
no_root() { why "no root:  this test needs root: be root" "more in:  step 3 of the book"; }
# A program has learned the first two steps.
suite step01_run dependable::helps
suite step02_exec lesson::executes lesson::waits exercise::clean-env::has_a_path
suite step03_uts lesson::executes lesson::waits lesson::names exercise::net-ipc::has_lo exercise::net-ipc::has_ipc
fails names has_ipc
why "expected: better"
# asks STATUS WORD...: what `progress` says to these words.
asks() {
    local expected=$1 status=0
    shift
    said=$(progress "$@" 2>"$top/errors") || status=$?
    [ $status = "$expected" ] || say "status $expected, but $status: $said $(cat "$top/errors")"
}
lacks() { case $said in *"$1"*) say "no $1 in: $said" ;; esac; }
# complains TEXT: about what is wrong.
complains() { case $(cat "$top/errors") in *"$1"*) ;; *) say "$1, but $(cat "$top/errors")" ;; esac; }
# real STEP [PREFIX...]: asks the real suites about the program of a step.
real() {
    local step=$1
    shift
    mkdir -m 1777 "$top/temporary"
    cd "$TOP"
    # On a machine that is busy with other things, too, all has to be asked.
    said=$(env CARGO="$real_cargo" TMPDIR="$top/temporary" TEST_SLOWNESS=4 "$@" \
        progress "target/debug/$step" 2>&1) && say "status 1, but 0: $said"
    [ -z "$(ls -A "$top/temporary")" ] || say "no file is left: $(ls "$top/temporary")"
    ! LC_ALL=C.UTF-8 grep -vE '^  ' <<<"$said" | LC_ALL=C.UTF-8 grep -E '.{81}' || say "80 columns"
    lacks $'\e'
}
# The first test of the last suite fails, and the second never says a word.
hang() {
    suite step03_uts lesson::names lesson::mounts
    script mine $'# fails: names\n# hangs: mounts'
}

# What `progress --watch` says when it has done all that it has to.
waits="q quit"
# watch [COMMAND...]: shows on a screen what this does, or `progress --watch mine`.
watch() {
    coproc SCREEN { exec script -qec "${*:-progress --watch mine}" /dev/null; }
    screen=$SCREEN_PID
    # What it shows is there to be read when it has ended, too.
    exec 3<&"${SCREEN[0]}" 4>&"${SCREEN[1]}"
}
trap '[ -z "${SCREEN_PID-}" ] || kill "$SCREEN_PID" || :' EXIT
# ended: waits for its end. How `script` ends tells nothing.
ended() { wait "$screen" || :; }
# expects TEXT: waits until the screen shows it, and hears all that is shown until then.
expects() {
    local letter
    said=
    until [[ $said == *"$1" ]]; do
        IFS= read -r -d '' -n 1 -t 60 letter <&3 || say "$1, in: $said"
        [ "$letter" = $'\r' ] || said+=$letter
    done
}
# press KEYS
press() { printf %s "$1" >&4; }
# within SECONDS: since $start.
now() { echo "${EPOCHREALTIME/[.,]/}"; }
within() { [ $(($(now) - start)) -lt $(($1 * 1000000)) ] || say "within $1 seconds: $(($(now) - start))"; }
# Two seconds, on a machine like the author's.
soon=$((2 * slowness))
watched_suites() {
    suite step02_exec lesson::executes
    suite step03_uts lesson::executes lesson::names_it
    suite step04_child lesson::executes lesson::names_it lesson::sets lesson::hides
    why "ran:      mine run hostname" "expected: another name" "more in:  step 3 of the book"
    fails names_it sets
}

# The tests.

each_lesson_belongs_to_the_first_suite_that_has_it() {
    asks 1 mine
    expected="\
step01-run               –  nothing to ask
step02-exec     2 of 2   ✓
step03-uts      0 of 1   ✗  names

exercises
clean-env       1 of 1  ✓  net-ipc         1 of 2  ✗

Read next: book/src/step03-uts.md
           Step 3: a hostname of its own
The first failure in full:
  CONTAINER=$PWD/mine cargo test -p step03-uts names"
    [ "$said" = "$expected" ] || say "$expected, but $said"
    [ ! -s "$top/errors" ] || say "no error: $(cat "$top/errors")"
    [ "$(cat step02_exec.asked)" = "$PWD/mine" ] || say "the whole path"
    words=$(head -1 step03_uts.words)
    [ "$words" = "--test-threads 4 --exact lesson::names" ] || say "a lesson is asked once: $words"
}

after_the_steps_come_the_exercises_for_everyone() {
    # The first comes before the others, but is for those who want more.
    fails has_a_path has_lo has_ipc
    asks 0 mine
    heard $'clean-env    not begun     net-ipc      not begun\n' \
        $'Do next: net-ipc, at the end of book/src/step03-uts.md\n' \
        "cargo test -p step08-cgroup dependable"
}

a_project_is_not_asked_along() {
    suite step03_uts exercise::net-ipc::has_lo exercise::mydocker::part::does_it
    asks 0 mine
    heard $'clean-env       1 of 1  ✓  net-ipc         1 of 1  ✓  mydocker     not asked\n' \
        $'\nmydocker, a project, is asked by its name only: exercise::mydocker\n' "Do next: mydocker,"
    [ "$(cat step03_uts.words)" = "--test-threads 4 --exact exercise::net-ipc::has_lo" ] || say "one exercise"
}

a_program_in_the_repository_goes_by_its_short_name() {
    script "my own" "# fails: names"
    asks 1 "my own"
    heard "/my own' cargo test"
    cd "$TOP/tests/foreign"
    asks 0 ./container.sh
    heard "  CONTAINER=tests/foreign/container.sh cargo"
}

a_program_that_fails_at_once_is_quoted() {
    fails executes waits names has_lo has_ipc has_a_path
    why "ran:      mine run echo" "expected: exit status 0" "seen:     exit status 1" \
        "          standard error:" "          | cannot find /no/such/folder" "          | and more" \
        "more in:  step 2 of the book"
    asks 1 mine
    heard "No lesson passes: the program fails before it executes anything. It says:
  cannot find /no/such/folder
The first failure in full:
"
    lacks "Read next"
}

the_reason_of_a_failure_decides_the_page() {
    why "expected: the host as it was" "seen:     a mount" "more in:  step 2 of the book"
    asks 1 mine
    heard $'Read next: book/src/step02-exec.md\n' "cargo test -p step03-uts names"
}

what_cannot_be_asked_of_an_exercise_is_told() {
    fails has_ipc
    no_root
    asks 0 mine
    heard $'1 of 2  –\n–  What is left of it cannot be asked here.\n'
}

without_root_it_says_so_and_blames_nobody() {
    suite step03_uts lesson::names lesson::mounts exercise::net-ipc::has_lo
    fails names mounts has_lo
    no_root
    asks 1 mine
    heard $'step03-uts      0 of 2   –  needs root\n' $'net-ipc      not tried\n' \
        $'\nThe tests from step 3 on need root. Be root yourself, or let cargo be root for\n'
    lacks ✗
    lacks "Read next"
}

without_cgroups_it_says_why() {
    why "no host:  make a cgroup for the program under test: Read-only file system"
    asks 1 mine
    heard $'step03-uts      0 of 1   –  cannot be asked\n' \
        $'\n  make a cgroup for the program under test: Read-only file system'
}

it_is_coloured_at_a_terminal_only() {
    in_terminal() { said=$(command script -qec "env $* progress mine" /dev/null) || :; }
    in_terminal TERM=xterm
    heard $'\e[32m✓\e[0m'
    for variables in "NO_COLOR=1 TERM=xterm" TERM=dumb; do
        in_terminal "$variables"
        heard ✓
        lacks $'\e'
    done
}

a_program_that_hangs_is_given_up() {
    hang
    start=$(now)
    asks 1 mine
    within 12
    [ -e step03_uts.ended ] || say "the suite has cleaned up"
    heard $'step02-exec     2 of 2   ✓\n' $'step03-uts      0 of 2   ✗  names and 1 more\n' \
        $'\nNo exercise was tried'
}

no_answer_is_no_failure() {
    suite step03_uts lesson::names lesson::mounts
    fails mounts
    why "not asked: 3 tests have waited in vain for the program to go on or to end"
    mute step04_child lesson::sets
    asks 1 mine
    heard $'step03-uts      1 of 2   …  no answer: mounts\n' \
        $'step04-child    0 of 1   …  no answer: sets\n' \
        $'\nNo exercise was tried, since a lesson has not ended.\n' \
        $'\nTo ask that alone:\n  CONTAINER='
    lacks ✗
}

on_a_signal_it_ends_after_its_suites() {
    hang
    for signal in 2 15; do
        status=0
        # This shell has what it starts in the background ignore SIGINT.
        env --default-signal=INT progress mine >/dev/null &
        eventually rm step03_uts.started 2>/dev/null
        kill -$signal $!
        wait $! || status=$?
        [ $status = $((128 + signal)) ] || say "signal $signal, but $status"
        rm step03_uts.ended || say "the suite has cleaned up"
    done
}

what_cannot_be_asked_is_wrong_usage() {
    echo "no program" >text
    refused() {
        asks 125 "${@:2}"
        complains error:
        complains "$1"
        [ -z "$said" ] || say "nothing, but $said"
    }
    refused "usage: progress PROGRAM"
    refused "usage: progress PROGRAM" mine run
    refused "usage: progress PROGRAM" --colour
    refused "no empty word" ""
    refused "there is no program no-such-program" no-such-program
    refused "there is no program /" "$PWD/no-such-program"
    refused ". is no program" .
    refused "text cannot be executed" text
    refused "usage: progress PROGRAM" --watch
    refused "needs a terminal on standard input" --watch mine
}

it_helps_when_asked() {
    asks 0 --help
    heard $'usage: progress PROGRAM\n'
}

a_full_disk_is_reported() {
    status=0
    said=$(progress mine 2>&1 >/dev/full) || status=$?
    [ $status = 125 ] || say "125, but $status"
    heard "No space left on device"
}

without_suites_it_says_what_is_missing() {
    echo "exit 101" >cargo.first
    asks 125 mine
    complains "the tests cannot be built"
    echo "exit 0" >cargo.first
    asks 125 mine
    complains "cargo has built no tests"
    CARGO=/no/cargo asks 125 mine
    complains "execute cargo"
    complains "No such file"
}

while_cargo_builds_the_user_is_told() {
    echo "sleep 1.3" >cargo.first
    asks 1 mine
    complains "Building the tests"
    heard step01-run
}

who_calls_sudo_owns_what_cargo_builds() {
    # shellcheck disable=SC2016 # This is for cargo.
    echo 'echo "$(id -u) $(id -g)" >"${0%/*}/user"' >cargo.first
    SUDO_UID=1234 SUDO_GID=1235 asks 1 mine
    [ "$(cat user)" = "1234 1235" ] || say "1234 1235, but $(cat user)"
}

a_step_of_ours_has_learned_what_it_teaches() {
    real step04-child
    heard $'step02-exec     5 of 5   ✓\n' $'step03-uts      1 of 1   ✓\n' $'step04-child    1 of 1   ✓\n' \
        $'step05-pid      0 of 2   ✗  numbers_its_processes_from_1 and 1 more\n' "named        not begun" \
        $'Read next: book/src/step05-pid.md\n' \
        "  CONTAINER=target/debug/step04-child cargo test -p step05-pid numbers_its_processes_from_1"
}

a_suite_of_ours_says_that_it_needs_root() {
    real step02-exec setpriv --bounding-set=-all --inh-caps=-all
    heard $'step02-exec     5 of 5   ✓\n' $'step03-uts      0 of 1   –  needs root\n' "net-ipc      not tried"
}

watch::a_save_is_seen_soon() {
    watched_suites
    watch
    step_3=$'step03-uts      0 of 1   ✗\n  ✗  names it\nNext: names it.\n'
    expects "$waits"
    heard $'\nAsking mine.\nstep02-exec     1 of 1   ✓\n'"$step_3"
    rm step02_exec.asked
    fails names_it
    start=$(now)
    expects "$step_3"
    within $soon
    lacks step02
    [ ! -e step02_exec.asked ] || say "step 2 is not asked again"
    expects "$waits"
    # The step passes, and the next is asked.
    fails sets
    expects $'step03-uts      1 of 1   ✓\nstep04-child    1 of 2   ✗\n  ✗  sets\n  ✓  hides\nNext: sets.\n'
    expects "$waits"
    fails
    expects "$waits"
    heard "All eight steps pass."
}

watch::what_has_passed_has_to_pass_still() {
    watched_suites
    fails sets
    watch
    expects "$waits"
    fails names_it
    expects "$waits"
    heard $'step04-child    2 of 2   ✓\nBut a step before does not pass any more:\nstep03-uts      0 of 1   ✗\n'
}

watch::keys_move_on_and_back_and_help() {
    watched_suites
    watch
    expects "$waits"
    press n
    expects "$waits"
    heard $'step04-child    1 of 2   ✗\n'
    lacks step03
    # It is the last.
    press n
    expects "$waits"
    heard step04-child
    # x is not a key.
    press xp
    expects "$waits"
    heard step03-uts
    # A step that passes stays when it is asked for.
    press p
    expects "$waits"
    heard $'step02-exec     1 of 1   ✓\n'
    lacks step03
    press nh
    expects "$waits"
    heard step03-uts
    expects "$waits"
    heard $'Read next: book/src/step03-uts.md\n           Step 3: a hostname of its own\n' \
        $'mine cargo test -p step03-uts names_it\n' $'\nexpected: another name\n'
}

watch::it_leaves_the_terminal_as_it_was() {
    watched_suites
    # In files, for Ctrl-C throws away what is on its way to the screen, and may be echoed late.
    # shellcheck disable=SC2016 # This is for that shell.
    script shell 'stty echo; trap : INT; stty -g >before
        sh -c "echo \$\$ >pid; exec progress --watch mine"
        echo $? >status; stty -g >after'
    for end in q=0 $'\x03=130' =143; do
        rm -f after
        watch ./shell
        expects "$waits"
        press "${end%=*}"
        [ "${end%=*}" ] || kill -TERM "$(cat pid)"
        eventually [ -s after ]
        [ "$(cat status)" = "${end#*=}" ] || say "status ${end#*=}, but $(cat status)"
        cmp before after
        ended
    done
}

watch::what_hangs_is_given_up_and_can_be_left_before() {
    watched_suites
    script mine "# hangs: names_it"
    start=$(now)
    watch
    # Two seconds for all but the time that a suite has.
    expects "$waits"
    within $((9 + soon))
    heard "step03-uts      0 of 1   "
    rm step03_uts.started step03_uts.ended || say "the suite has cleaned up"
    script mine "# hangs: names_it"
    eventually rm step03_uts.started 2>/dev/null
    start=$(now)
    press q
    ended
    within $soon
    [ -e step03_uts.ended ] || say "the suite has cleaned up"
}

watch::no_answer_and_no_root_are_told_as_ever() {
    watched_suites
    mute step03_uts lesson::names_it
    watch
    expects "$waits"
    heard "…  No answer: the time was over"
    suite step03_uts lesson::names_it
    no_root
    fails names_it
    expects "$waits"
    heard $'  –  names it\n\nThe tests from step 3 on need root.'
}

# The package `mine` is a folder that lies over ours, where only this `progress` sees it.
watch::the_package_mine_is_built_at_a_save() {
    watched_suites
    # shellcheck disable=SC2016 # This is for cargo.
    echo 'if [ "$1" = build ]; then
        echo "$*" >"${0%/*}/built"
        if grep broken mine/src/main.rs; then
            echo "error[E0425]: cannot find value" >&2
            exit 101
        fi
        tell bin mine "${0%/*}/mine"
        exit
    fi' >cargo.first
    mkdir package
    mount --bind package "$TOP/mine"
    watch "cd '$TOP' && exec progress --watch target/debug/mine"
    expects "$waits"
    heard "mine has no program yet." $'\n  cp -ri step02-exec/src mine/\n'
    mkdir package/src
    echo "fn main() { broken }" >package/src/main.rs
    expects "$waits"
    heard "error[E0425]" "It cannot be built:"
    # No program that was there before is asked instead.
    lacks step0
    echo "fn main() {}" >package/src/main.rs
    expects "$waits"
    heard $'\nBuilding mine.\nstep02-exec' "Next: names it."
    [[ $(cat built) == "build --package mine --bin mine"* ]] || say "mine is built: $(cat built)"
    # What an editor leaves beside it is no save.
    rm built
    touch package/src/.main.rs.swp
    sleep 0.5
    [ ! -e built ] || say "no save"
}
