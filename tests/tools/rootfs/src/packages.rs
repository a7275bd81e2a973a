//! Which package has a program that is missing, and how this machine installs it.

use common::find_in_path;

/// What installs packages, in the order of the columns below.
const MANAGERS: [(&str, &str); 5] = [
    ("apt-get", "apt-get install"),
    ("apk", "apk add"),
    ("dnf", "dnf install"),
    ("pacman", "pacman -S"),
    ("zypper", "zypper install"),
];

/// Programs, and the package that has them with each of [`MANAGERS`], where its name is not
/// everywhere the same, or not the program's own.
const PACKAGES: &str = "\
cat dd echo env false id ls mkdir mknod: coreutils coreutils coreutils coreutils coreutils
printf pwd readlink rm seq sleep touch true: coreutils coreutils coreutils coreutils coreutils
hostname: hostname net-tools hostname inetutils hostname
mount umount: mount util-linux util-linux util-linux util-linux
nsenter unshare: util-linux util-linux util-linux util-linux util-linux
ps: procps procps-ng procps-ng procps-ng procps
sh: dash busybox bash bash bash";

/// The command that installs a program here: `apt-get install procps` for `ps`.
pub fn command(program: &str) -> String {
    let manager = manager().unwrap_or(0);
    let mut rows = PACKAGES.lines().filter_map(|row| row.split_once(": "));
    let row = rows.find(|(programs, _)| programs.split(' ').any(|name| name == program));
    let package = row.and_then(|(_, names)| names.split(' ').nth(manager));
    format!("{} {}", MANAGERS[manager].1, package.unwrap_or(program))
}

/// The first in PATH: a machine may have several, and the others are seldom its own.
fn manager() -> Option<usize> {
    let paths = MANAGERS.map(|(name, _)| find_in_path(name));
    let (_, first) = (0..)
        .zip(&paths)
        .filter_map(|(index, path)| Some((path.as_ref()?.0, index)))
        .min()?;
    Some(first)
}
