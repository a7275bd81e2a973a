//! After step 8: a container that outlives its terminal, and a list of those that there are.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::failure::{Failure, expect};
use kernelfiles::process;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};

use crate::check::{Check, checks};
use crate::patience::{eventually, until};
use crate::program::{Call, EXECUTED, Program};

/// What a right answer passes.
pub const CHECKS: &[Check] = checks![
    ends_while_the_command_runs,
    names_what_has_no_name,
    outlives_its_terminal,
    holds_nothing_of_its_callers,
    keeps_what_is_written,
    keeps_the_exit_status,
    stops_with_sigterm,
    stops_with_sigkill_after_a_while,
    removes_what_has_ended,
    says_what_cannot_be_started,
    gives_a_name_once,
    lists_while_others_come_and_go,
    lists_what_is_after_sigkill,
    lists_what_is_if_the_start_is_killed,
    is_not_deceived_by_pids_that_come_round_again,
    lists_what_is_after_a_full_disk,
    refuses_names_that_are_paths,
    leaves_what_is_somebody_elses,
    refuses_what_is_no_command_line,
];

/// `PROGRAM WORDS...`, with a state of the test's own.
fn call<'a>(program: &'a Program, words: &[&str]) -> Call<'a> {
    let state = program.host.folder.path().join("state");
    program.call(words).with_env("STATE", state)
}

/// `PROGRAM run -d --name NAME COMMAND...`
fn detach<'a>(program: &'a Program, name: &str, command: &[&str]) -> Call<'a> {
    let words = ["run", "-d", "--name", name];
    call(program, &[&words[..], command].concat())
}

/// What `ps` says of each: its name, and then how it is.
fn list(program: &Program) -> Result<Vec<(String, String)>> {
    let ended = call(program, &["ps"]).end()?;
    ended.exits(0)?;
    let lines = ended.stdout.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let state = match words.get(1) {
            Some(&"exited") => words[1..words.len().min(3)].join(" "),
            word => word.copied().unwrap_or_default().to_owned(),
        };
        (words.first().copied().unwrap_or_default().to_owned(), state)
    });
    Ok(lines.collect())
}

/// Waits until the list is `wanted`: a supervisor has something to do when its container ends.
fn expect_list(program: &Program, wanted: &[(&str, &str)]) -> Result<()> {
    let wanted = wanted
        .iter()
        .map(|(name, state)| (name.to_string(), state.to_string()));
    let wanted: Vec<_> = wanted.collect();
    let holds = eventually("the list", || match list(program) {
        Ok(seen) if seen == wanted => Some(Ok(())),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    match holds {
        Ok(result) => result,
        Err(_) => {
            let what = format!("`ps` to list {wanted:?}");
            Err(Failure::new(what, format_args!("{:?}", list(program)?)).into())
        }
    }
}

/// How many processes `sleep SECONDS` there are.
fn count(program: &Program, seconds: &str) -> usize {
    let pids = program.host.processes().into_iter();
    pids.filter(|pid| process::argv(pid) == ["sleep", seconds])
        .count()
}

fn ends_while_the_command_runs(program: &Program) -> Result<()> {
    let before = program.host.snapshot()?;
    let ended = detach(program, "web", &["sleep", "1070"]).end()?;
    ended.exits(0)?.prints("web")?;
    program.host.find_process(&["sleep", "1070"])?;
    expect_list(program, &[("web", "running")])?;
    let pid = program.host.find_process(&["sleep", "1070"])?;
    program.host.cgroup_of(pid)?;
    call(program, &["stop", "web"]).end()?.exits(0)?;
    call(program, &["rm", "web"]).end()?.exits(0)?;
    program.host.expect_nothing_left()?;
    fs::remove_dir_all(program.host.folder.path().join("state")).context("remove the state")?;
    program.host.expect_unchanged(&before)
}

fn names_what_has_no_name(program: &Program) -> Result<()> {
    let mut names = Vec::new();
    for _ in 0..2 {
        let ended = call(program, &["run", "-d", "sleep", "1071"]).end()?;
        let name = ended.exits(0)?.stdout.trim_end().to_owned();
        let is_one = !name.is_empty() && !name.contains(char::is_whitespace);
        ended.expected("a name, and nothing else", is_one)?;
        names.push(name);
    }
    names.sort();
    expect_list(program, &[(&names[0], "running"), (&names[1], "running")])?;
    for name in &names {
        call(program, &["stop", name]).end()?.exits(0)?;
        call(program, &["rm", name]).end()?.exits(0)?;
    }
    expect_list(program, &[])
}

/// When the first process of its session ends, a terminal hangs up: SIGHUP for all in front.
fn outlives_its_terminal(program: &Program) -> Result<()> {
    let mut terminal = detach(program, "web", &["sleep", "1072"]).in_terminal()?;
    terminal.wait_for("web")?;
    until("the end of `run -d`", || {
        let mut pids = program.host.processes().into_iter();
        !pids.any(|pid| process::argv(pid).get(1).is_some_and(|word| word == "run"))
    })?;
    expect_list(program, &[("web", "running")])?;
    let pid = program.host.find_process(&["sleep", "1072"])?;
    // Field 7 is the terminal, and 0 is none.
    let terminal = process::stat(pid)?.field(7).to_owned();
    expect(terminal == "0", "a command without a terminal", terminal)?;
    expect_list(program, &[("web", "running")])
}

/// Who reads what `run` writes, reads to the end of it.
fn holds_nothing_of_its_callers(program: &Program) -> Result<()> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    // The same pipe is standard output and error, and a third descriptor.
    let share = ["sh", "-c", "exec \"$@\" 2>&1 3>&1", "sh"];
    let calling = detach(program, "web", &["sleep", "1073"]);
    let calling = calling.with_prefix(&share).with_output(writer);
    calling.end()?.exits(0)?;
    let reading = thread::spawn(move || std::io::read_to_string(fs::File::from(reader)));
    until("the end of what `run -d` writes", || reading.is_finished())?;
    let words = reading.join().expect("no thread panics here")?;
    expect(words == "web\n", "web", format_args!("{words:?}"))?;
    expect_list(program, &[("web", "running")])
}

fn keeps_what_is_written(program: &Program) -> Result<()> {
    let script = "echo one; echo two >&2; exec sleep 1074";
    detach(program, "web", &["sh", "-c", script])
        .end()?
        .exits(0)?;
    program.host.find_process(&["sleep", "1074"])?;
    let logs = call(program, &["logs", "web"]).end()?;
    logs.exits(0)?.prints_only("one\ntwo")?;
    call(program, &["stop", "web"]).end()?.exits(0)?;
    let logs = call(program, &["logs", "web"]).end()?;
    logs.exits(0)?.prints_only("one\ntwo")?;
    Ok(())
}

fn keeps_the_exit_status(program: &Program) -> Result<()> {
    for (name, command) in [("a", "exit 0"), ("b", "exit 3"), ("c", "kill -KILL $$")] {
        detach(program, name, &["sh", "-c", command])
            .end()?
            .exits(0)?;
    }
    let all = [("a", "exited 0"), ("b", "exited 3"), ("c", "exited 137")];
    expect_list(program, &all)?;
    program.host.expect_nothing_left()
}

/// A script that waits for signals.
const WAITS: &str = "echo ready; while :; do sleep 0.05; done";

fn start_script(program: &Program, script: &str) -> Result<()> {
    let call_it = detach(program, "web", &["sh", "-c", &format!("{script}; {WAITS}")]);
    call_it.end()?.exits(0)?;
    until("a script that is ready", || {
        let logs = call(program, &["logs", "web"]).end();
        logs.is_ok_and(|logs| logs.stdout.lines().any(|line| line == "ready"))
    })
}

fn stops_with_sigterm(program: &Program) -> Result<()> {
    start_script(program, "trap 'echo bye; exit 7' TERM")?;
    call(program, &["stop", "web"]).end()?.exits(0)?;
    expect_list(program, &[("web", "exited 7")])?;
    let logs = call(program, &["logs", "web"]).end()?;
    logs.exits(0)?.prints("ready\nbye")?;
    // It is stopped already.
    call(program, &["stop", "web"]).end()?.exits(0)?;
    program.host.expect_nothing_left()
}

fn stops_with_sigkill_after_a_while(program: &Program) -> Result<()> {
    start_script(program, "trap 'echo no' TERM")?;
    call(program, &["stop", "-t", "1", "web"]).end()?.exits(0)?;
    expect_list(program, &[("web", "exited 137")])?;
    let logs = call(program, &["logs", "web"]).end()?;
    let holds = logs.stdout.lines().any(|line| line == "no");
    logs.expected("`no`, as the script answers SIGTERM", holds)?;
    program.host.expect_nothing_left()
}

fn removes_what_has_ended(program: &Program) -> Result<()> {
    detach(program, "web", &["sleep", "1075"]).end()?.exits(0)?;
    call(program, &["rm", "web"])
        .end()?
        .exits(125)?
        .complains(&["running"])?;
    expect_list(program, &[("web", "running")])?;
    call(program, &["stop", "web"]).end()?.exits(0)?;
    call(program, &["rm", "web"]).end()?.exits(0)?;
    expect_list(program, &[])?;
    for word in ["rm", "stop", "logs"] {
        call(program, &[word, "web"])
            .end()?
            .exits(125)?
            .complains(&["web"])?;
    }
    detach(program, "web", &["sleep", "1075"]).end()?.exits(0)?;
    expect_list(program, &[("web", "running")])
}

fn says_what_cannot_be_started(program: &Program) -> Result<()> {
    for (command, code) in [("no-such-command", 127), ("/etc/passwd", 126)] {
        let ended = detach(program, "web", &[command]).end()?;
        ended.exits(code)?.complains(&[command])?;
    }
    let nowhere = detach(program, "web", EXECUTED).with_env("ROOTFS", "/nowhere");
    nowhere.end()?.exits(125)?.complains(&["/nowhere"])?;
    expect_list(program, &[])?;
    program.host.expect_nothing_left()
}

fn gives_a_name_once(program: &Program) -> Result<()> {
    let all_at_once = |words: &[&str]| -> Result<usize> {
        let calls = (0..8).map(|_| call(program, words).start());
        let calls = calls.collect::<Result<Vec<_>>>()?;
        let mut count = 0;
        for running in calls {
            let ended = running.end()?;
            let is_fine = [0, 125].contains(&ended.code());
            ended
                .does_not_panic()?
                .expected("0, or a refusal, which is 125", is_fine)?;
            count += usize::from(ended.code() == 0);
        }
        Ok(count)
    };
    for _ in 0..3 {
        let won = all_at_once(&["run", "-d", "--name", "web", "sleep", "1076"])?;
        expect(won == 1, "one of eight that gets the name", won)?;
        expect_list(program, &[("web", "running")])?;
        let there = count(program, "1076");
        expect(there == 1, "one command that runs", there)?;
        let stopped = all_at_once(&["stop", "web"])?;
        expect(
            stopped == 8,
            "eight that stop it, or find it stopped",
            stopped,
        )?;
        let removed = all_at_once(&["rm", "web"])?;
        expect(removed == 1, "one that removes it", removed)?;
        expect_list(program, &[])?;
    }
    program.host.expect_nothing_left()
}

fn lists_while_others_come_and_go(program: &Program) -> Result<()> {
    program.host.allow_processes(1000)?;
    detach(program, "web", &["sleep", "1077"]).end()?.exits(0)?;
    let comes_and_goes = |name: &str| -> Result<()> {
        for _ in 0..4 {
            detach(program, name, &["sleep", "1078"]).end()?.exits(0)?;
            let seen = list(program)?;
            for (name, state) in [("web", "running"), (name, "running")] {
                let line = (name.to_owned(), state.to_owned());
                let what = format!("{name} as {state} in what `ps` lists");
                expect(seen.contains(&line), &what, format_args!("{seen:?}"))?;
            }
            call(program, &["stop", name]).end()?.exits(0)?;
            call(program, &["rm", name]).end()?.exits(0)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads = ["one", "two", "three"].map(|name| scope.spawn(move || comes_and_goes(name)));
        let mut threads = threads.into_iter();
        threads.try_for_each(|thread| thread.join().expect("no thread panics here"))
    })?;
    expect_list(program, &[("web", "running")])
}

fn lists_what_is_after_sigkill(program: &Program) -> Result<()> {
    for whom in ["the supervisor", "PID 1", "the command"] {
        detach(program, "web", &["sleep", "1079"]).end()?.exits(0)?;
        let command = program.host.find_process(&["sleep", "1079"])?;
        let init = program.host.init_of(command)?;
        let pid = match whom {
            "the supervisor" => process::parent(init)?,
            "PID 1" => init,
            _ => command,
        };
        kill(Pid::from_raw(pid), Signal::SIGKILL).context("send SIGKILL")?;
        // At once, and not some time later.
        let seen = list(program)?;
        let runs = seen
            .iter()
            .any(|(name, state)| name == "web" && state == "running");
        let there = count(program, "1079");
        ensure_same(whom, runs, there)?;
        until("the command to end", || count(program, "1079") == 0)?;
        if whom != "the supervisor" {
            expect_list(program, &[("web", "exited 137")])?;
        }
        call(program, &["stop", "web"]).end()?.exits(0)?;
        call(program, &["rm", "web"]).end()?.exits(0)?;
        expect_list(program, &[])?;
        program.host.expect_nothing_left()?;
    }
    Ok(())
}

/// It may take a moment until the list says that it has ended; but it must not say so before.
fn ensure_same(whom: &str, is_listed: bool, there: usize) -> Result<()> {
    let what = format!("after SIGKILL for {whom}, no command that runs and is not in the list");
    let seen = format!("running in the list: {is_listed}, processes: {there}");
    expect(is_listed || there == 0, &what, seen)
}

/// Whoever is killed while it starts one: the list says that it runs if it does.
fn lists_what_is_if_the_start_is_killed(program: &Program) -> Result<()> {
    for milliseconds in [0, 1, 2, 4, 6, 8, 12, 16, 24, 40] {
        for all in [false, true] {
            let starting = detach(program, "web", &["sleep", "1080"]).start()?;
            thread::sleep(Duration::from_millis(milliseconds));
            if all {
                program.host.kill_all();
            }
            starting.end_with(Signal::SIGKILL).ok();
            let is_settled = || -> Result<bool> {
                let seen = list(program)?;
                let runs = seen.iter().any(|(_, state)| state == "running");
                Ok(runs == (count(program, "1080") > 0) && !(all && runs))
            };
            let what = "a list that says that it is running if it is";
            until(what, || is_settled().unwrap_or_default())?;
            until("a container that can be removed", || {
                let removes = || -> Result<bool> {
                    for word in ["stop", "rm"] {
                        call(program, &[word, "web"]).end()?;
                    }
                    Ok(list(program)?.is_empty() && count(program, "1080") == 0)
                };
                removes().unwrap_or_default()
            })?;
        }
    }
    let ended = detach(program, "web", &["sleep", "1080"]).end()?;
    ended.exits(0)?;
    expect_list(program, &[("web", "running")])
}

/// In two PID namespaces, one after the other, processes have the same numbers.
fn is_not_deceived_by_pids_that_come_round_again(program: &Program) -> Result<()> {
    let in_namespace = ["unshare", "--pid", "--fork", "--kill-child"];
    // It is PID 1 there, and when it has ended, the supervisor gets SIGKILL.
    let ended = detach(program, "web", &["sleep", "1081"]).with_prefix(&in_namespace);
    ended.end()?.exits(0)?;
    let what = "all to end with their PID namespace";
    program.host.expect_no_process_left(what)?;
    let others = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1082 & done; \"$@\"";
    let ended = call(program, &["ps"]).with_prefix(&in_namespace);
    let ended = ended.with_prefix(&["sh", "-c", others, "sh"]).end()?;
    let line = ended.line_with("web");
    let holds = !line.is_empty() && line.split_whitespace().nth(1) != Some("running");
    ended
        .exits(0)?
        .expected("web in the list, and not as running", holds)?;
    call(program, &["rm", "web"]).end()?.exits(0)?;
    program.host.expect_nothing_left()
}

fn lists_what_is_after_a_full_disk(program: &Program) -> Result<()> {
    let state = program.host.folder.path().join("state");
    fs::create_dir(&state).context("make a folder")?;
    program.host.mount_tmpfs(&state, "256k")?;
    let script = "i=0; while [ $i -lt 5000 ]; do echo \"$i: a line that fills a disk of 256 \
                  kilobytes, if there are enough of them, and there are\"; i=$((i + 1)); done \
                  2>/dev/null; exit 5";
    detach(program, "web", &["sh", "-c", script])
        .end()?
        .exits(0)?;
    expect_list(program, &[("web", "exited 5")])?;
    let mut file = fs::File::create(state.join(".rest")).context("make a file")?;
    while file.write_all(b"x").is_ok() {}
    let ended = detach(program, "two", &["sleep", "1083"]).end()?;
    ended.exits(125)?.complains(&["No space left on device"])?;
    fs::remove_file(state.join(".rest")).context("remove a file")?;
    expect_list(program, &[("web", "exited 5")])?;
    call(program, &["rm", "web"]).end()?.exits(0)?;
    detach(program, "two", &["sleep", "1083"]).end()?.exits(0)?;
    expect_list(program, &[("two", "running")])
}

fn refuses_names_that_are_paths(program: &Program) -> Result<()> {
    let state = program.host.folder.path().join("state");
    fs::create_dir_all(program.host.folder.path().join("other/log")).context("make a folder")?;
    for name in [
        "",
        ".",
        "..",
        "../other",
        "/",
        "a/b",
        "a b",
        "-x",
        &"x".repeat(300),
    ] {
        let option = format!("--name={name}");
        let starting = call(program, &["run", "-d", &option, "echo", "executed"]);
        let ended = starting.end()?;
        ended.does_not_panic()?.has_executed_nothing()?;
        // An empty one may be as good as none.
        ended.expected(
            "a refusal, which is 125",
            ended.code() == 125 || name.is_empty(),
        )?;
        for (name, _) in list(program)? {
            call(program, &["stop", &name]).end()?.exits(0)?;
            call(program, &["rm", &name]).end()?.exits(0)?;
        }
        for word in ["logs", "stop", "rm"] {
            call(program, &[word, name])
                .end()?
                .exits(125)?
                .does_not_panic()?;
        }
    }
    let is_there = program.host.folder.path().join("other/log").is_dir();
    expect(
        is_there,
        "the folder beside the state to stay",
        "it is gone",
    )?;
    ensure!(!state.join("a").exists(), "there is a folder a");
    expect_list(program, &[])
}

/// `STATE` may name a folder by mistake.
fn leaves_what_is_somebody_elses(program: &Program) -> Result<()> {
    let folder = program.host.folder.path().join("state/other");
    fs::create_dir_all(&folder).context("make a folder")?;
    let files = [folder.join("log"), folder.with_file_name("file")];
    for file in &files {
        fs::write(file, "old").context("write a file")?;
    }
    expect_list(program, &[])?;
    for name in ["other", "file"] {
        detach(program, name, EXECUTED).end()?.exits(125)?;
        call(program, &["rm", name]).end()?.exits(125)?;
    }
    expect_list(program, &[])?;
    for file in &files {
        let holds = fs::read(file).is_ok_and(|words| words == b"old");
        let what = format!("{} to stay", file.display());
        expect(holds, &what, "it is gone, or another")?;
    }
    Ok(())
}

fn refuses_what_is_no_command_line(program: &Program) -> Result<()> {
    for words in [
        &["run", "-d"][..],
        &["run", "-d", "--name"],
        &["run", "-d", "--name", "web"],
        &["run", "-d", "--nom", "web", "true"],
        &["logs"],
        &["stop"],
        &["stop", "-t", "soon", "web"],
        &["rm"],
    ] {
        call(program, words).end()?.is_wrong_usage()?;
    }
    let words = ["--", "echo", "-d"];
    detach(program, "web", &words).end()?.exits(0)?;
    expect_list(program, &[("web", "exited 0")])?;
    let logs = call(program, &["logs", "web"]).end()?;
    logs.exits(0)?.prints_only("-d")?;
    Ok(())
}
