/// Brings `lo` up, by which the command reaches itself. A new network namespace has this
/// one interface, and it is down.
pub fn bring_lo_up() -> Result<()> {
    // Any socket will do: it belongs, for good, to the network namespace it was made in.
    let socket = UdpSocket::bind("0.0.0.0:0").context("make a socket")?;
    #[expect(unsafe_code, reason = "Rust has no safe way to fill a union with 0")]
    // SAFETY: an ifreq is made of numbers and addresses, and all of them can be 0.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    let number = libc::SIOCSIFFLAGS as libc::Ioctl;
    #[expect(unsafe_code, reason = "nix has no call for an interface's flags")]
    // SAFETY: SIOCSIFFLAGS reads one ifreq, and the name in this one ends with a 0.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), number, &raw const request) };
    Errno::result(result).context("bring up lo")?;
    Ok(())
}
