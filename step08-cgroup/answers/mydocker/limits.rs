//! The container's cgroups, with the limits that they set.
//!
//! Read: cgroups(7).

use std::io::{self, Write};

use anyhow::Result;
use nix::unistd::Pid;

use crate::cgroup::Cgroups;
use crate::hierarchy;
use crate::options::Options;

/// The cap counts every process of the container, `child` too.
const MAX_PROCESSES: u32 = 20;

/// Makes the cgroups, and moves `child` there: they are gone when the value is dropped.
///
/// An ordinary user can make none, unless a part of the tree has been delegated to them.
/// Without limits that somebody asked for, the container then goes without.
pub fn limit(child: Pid, options: &Options) -> Result<Option<Cgroups>> {
    let is_needed = !options.rootless || options.memory.is_some() || options.cpus.is_some();
    match make_cgroups(child, options) {
        Err(error) if !is_needed => {
            writeln!(io::stderr(), "warning: no cap on processes: {error:#}").ok();
            Ok(None)
        }
        made => made.map(Some),
    }
}

fn make_cgroups(child: Pid, options: &Options) -> Result<Cgroups> {
    let mut cgroups = Cgroups::new()?;
    cgroups.limit_processes(MAX_PROCESSES)?;
    if let Some(bytes) = options.memory {
        cgroups.limit_memory(bytes)?;
    }
    if let Some(cpus) = options.cpus {
        cgroups.limit_cpus(cpus)?;
    }
    for cgroup in &cgroups.paths {
        hierarchy::write(&cgroup.join("cgroup.procs"), &child.to_string())?;
    }
    Ok(cgroups)
}
