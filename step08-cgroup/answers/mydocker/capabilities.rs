//! The names of capabilities.
//!
//! Read: capabilities(7).

/// The capabilities, in the order of their numbers in `linux/capability.h`, from 0.
const NAMES: &str = "\
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP \
    LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER \
    SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE \
    SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP \
    MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF \
    CHECKPOINT_RESTORE";

/// A set of capabilities, one bit for each.
pub type Set = u64;

/// Those that the kernel knows, and those that later ones will know.
pub const ALL: Set = u64::MAX;

/// The set that a name stands for: `ALL`, or a capability.
pub fn find(name: &str) -> Option<Set> {
    if name == "ALL" {
        return Some(ALL);
    }
    let name = name.strip_prefix("CAP_").unwrap_or(name);
    let number = NAMES.split(' ').position(|known| known == name)?;
    Some(1 << number)
}
