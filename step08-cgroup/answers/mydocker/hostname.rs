//! The container's hostname.
//!
//! Read: sethostname(2).

use std::ffi::OsStr;

use anyhow::{Context, Result};
use nix::unistd::sethostname;

use crate::id::SHORT_ID_LENGTH;
use crate::options::Options;

/// The new UTS namespace began as a copy of the host's. The kernel has room for a name of
/// 64 bytes, and answers EINVAL to a longer one.
pub fn set_hostname(options: &Options, id: &str) -> Result<()> {
    let name = match options.name.as_deref() {
        None => OsStr::new("container"),
        Some(name) if name.is_empty() => OsStr::new(&id[..SHORT_ID_LENGTH]),
        Some(name) => name,
    };
    sethostname(name).with_context(|| format!("set the hostname {}", name.to_string_lossy()))
}
