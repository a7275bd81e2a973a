/// The capabilities that are kept, with their numbers from `linux/capability.h`.
///
/// These are the ones that Docker keeps, without three: with MKNOD root makes a way to the
/// disks, with SYS_CHROOT it leaves a chroot, and with NET_RAW it listens to the network,
/// which is the host's here.
const KEPT: &[(&str, u32)] = &[
    ("CHOWN", 0),
    ("DAC_OVERRIDE", 1),
    ("FOWNER", 3),
    ("FSETID", 4),
    ("KILL", 5),
    ("SETGID", 6),
    ("SETUID", 7),
    ("SETPCAP", 8),
    ("NET_BIND_SERVICE", 10),
    ("AUDIT_WRITE", 29),
    ("SETFCAP", 31),
];
