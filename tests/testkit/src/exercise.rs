//! What the exercises ask for, from outside: each is a module here, a program in the
//! `answers` folder of its step, and a section in that step's chapter.

use crate::check::Check;

mod born_in_cgroup;
mod bridge;
mod capabilities;
mod clean_env;
mod clone;
mod detach;
mod dev;
mod enter;
mod escape;
mod fork_exec;
mod image;
mod init;
mod layers;
mod memory;
mod mydocker;
mod named;
mod net_ipc;
mod overlay;
mod own_proc;
mod pivot_root;
mod pull;
mod rootless;
mod seccomp;
mod sync_pipe;
mod veth;
mod volume;

/// What a right answer to an exercise passes.
///
/// # Panics
///
/// If the catalogue has an exercise that is not in the list.
pub fn checks(exercise: &course::Exercise) -> &'static [Check] {
    match exercise.name {
        "fork-exec" => fork_exec::CHECKS,
        "clean-env" => clean_env::CHECKS,
        "net-ipc" => net_ipc::CHECKS,
        "named" => named::CHECKS,
        "sync-pipe" => sync_pipe::CHECKS,
        "init" => init::CHECKS,
        "clone" => clone::CHECKS,
        "rootless" => rootless::CHECKS,
        "enter" => enter::CHECKS,
        "veth" => veth::CHECKS,
        "escape" => escape::CHECKS,
        "pivot-root" => pivot_root::CHECKS,
        "overlay" => overlay::CHECKS,
        "layers" => layers::CHECKS,
        "volume" => volume::CHECKS,
        "dev" => dev::CHECKS,
        "own-proc" => own_proc::CHECKS,
        "memory" => memory::CHECKS,
        "born-in-cgroup" => born_in_cgroup::CHECKS,
        "capabilities" => capabilities::CHECKS,
        "seccomp" => seccomp::CHECKS,
        "image" => image::CHECKS,
        "pull" => pull::CHECKS,
        "bridge" => bridge::CHECKS,
        "detach" => detach::CHECKS,
        "mydocker" => mydocker::CHECKS,
        name => panic!("{name} has no checks"),
    }
}
