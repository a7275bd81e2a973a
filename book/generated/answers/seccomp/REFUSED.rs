/// The system calls that are refused: what changes the machine, and not the container alone.
/// Such a list ages: each new call is allowed until somebody thinks of it. So Docker's is one of
/// the calls that are allowed, and much longer.
const REFUSED: &[libc::c_long] = &[
    // Mounts, and since Linux 5.2 there is a second way to make them.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    OPEN_TREE_ATTR,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel itself.
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    #[cfg(not(target_arch = "x86"))]
    KEXEC_FILE_LOAD,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_syslog,
    #[cfg(not(target_arch = "aarch64"))]
    libc::SYS_iopl,
    #[cfg(not(target_arch = "aarch64"))]
    libc::SYS_ioperm,
    // The clock, the swap space, and what is counted for users.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Keys, which are in no namespace, and files of any folder: by their number, or as soon as
    // somebody opens them.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // The terminal, which is the host's.
    libc::SYS_vhangup,
    // Requests that no filter sees, and page faults that wait for as long as one likes: both
    // have helped many an attack on the kernel.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // 32-bit x86 has some of these twice: without flags, or with times after 2038.
    #[cfg(target_arch = "x86")]
    libc::SYS_umount,
    #[cfg(target_arch = "x86")]
    libc::SYS_stime,
    #[cfg(target_arch = "x86")]
    CLOCK_SETTIME64,
    #[cfg(target_arch = "x86")]
    CLOCK_ADJTIME64,
];
