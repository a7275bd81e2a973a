//! Programs of this machine, and what they need: libraries, a loader, an interpreter.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use common::{can_execute, find_in_path};
use elf::ElfStream;
use elf::abi::PT_INTERP;
use elf::endian::AnyEndian;
use nix::unistd::{AccessFlags, access};

/// Finds a program by its name as a shell would, with `sbin` too.
pub fn find_program(name: &OsStr) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let mut paths = folders.iter().map(|folder| Path::new(folder).join(name));
    let found = paths.find(|path| can_execute(path));
    found.or_else(|| Some(find_in_path(name)?.1))
}

/// The program that somebody names, by its name or by its path.
pub fn named(program: &OsStr) -> Result<PathBuf> {
    let shown = program.to_string_lossy();
    if !program.as_bytes().contains(&b'/') {
        let found = find_program(program);
        return found.with_context(|| format!("no program {shown} on this machine"));
    }
    let path = Path::new(program);
    let file = path
        .metadata()
        .with_context(|| format!("look at {shown}"))?;
    ensure!(
        file.is_file(),
        "{shown} is no program, but a folder or the like"
    );
    access(path, AccessFlags::X_OK)
        .with_context(|| format!("{shown} is no program: nobody may execute it"))?;
    path::absolute(path).with_context(|| format!("find {shown}"))
}

/// What has to be there for a program to start, besides itself.
#[derive(Default)]
pub struct Needs {
    /// Its shared libraries, and the loader that finds them.
    pub libraries: BTreeSet<PathBuf>,
    /// A script's interpreter, and what `env` looks up in PATH for it.
    pub interpreters: Vec<PathBuf>,
}

impl Needs {
    pub fn of(program: &Path) -> Result<Self> {
        let shown = program.display();
        let file = File::open(program).with_context(|| format!("open {shown}"))?;
        let mut start = [0; 256];
        let length = file
            .read_at(&mut start, 0)
            .with_context(|| format!("read {shown}"))?;
        let start = &start[..length];
        let mut needs = Self::default();
        if let Some(line) = start.strip_prefix(b"#!") {
            needs.interpreters = interpreters(line)
                .with_context(|| format!("find what the first line of {shown} names"))?;
        } else if start.starts_with(b"\x7fELF") {
            let loader = loader(&file).with_context(|| format!("read the headers of {shown}"))?;
            // A static program has none, and needs nothing.
            if let Some(loader) = loader {
                needs.libraries = libraries(program, &loader)?;
                needs.libraries.insert(loader);
            }
        }
        Ok(needs)
    }
}

/// execve(2): `#!INTERPRETER`, and all that follows is one argument.
fn interpreters(line: &[u8]) -> Result<Vec<PathBuf>> {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let mut words = words.map(OsStr::from_bytes);
    let first = PathBuf::from(words.next().context("find an interpreter after `#!`")?);
    ensure!(
        can_execute(&first),
        "{} is not there, or is no program",
        first.display()
    );
    let is_env = first.file_name() == Some(OsStr::new("env"));
    let mut found = vec![first];
    if is_env {
        // env(1): options and variables come before the program.
        let is_program =
            |word: &&OsStr| !word.as_bytes().starts_with(b"-") && !word.as_bytes().contains(&b'=');
        if let Some(name) = words.find(is_program) {
            found.push(named(name)?);
        }
    }
    Ok(found)
}

/// The program that the kernel starts in a program's place, to load its libraries: elf(5).
fn loader(file: &File) -> Result<Option<PathBuf>> {
    let mut elf = ElfStream::<AnyEndian, _>::open_stream(file)?;
    let mut segments = elf.segments().iter();
    let Some(segment) = segments
        .find(|segment| segment.p_type == PT_INTERP)
        .copied()
    else {
        return Ok(None);
    };
    ensure!(segment.p_filesz < 4096, "the loader's path is too long");
    let mut path = elf.segment_data(&segment)?.to_vec();
    path.retain(|byte| *byte != 0);
    Ok(Some(OsString::from_vec(path).into()))
}

/// The shared libraries of a program, by its loader, as ldd(1) asks it: lines are
/// `NAME => PATH (ADDRESS)`, `PATH (ADDRESS)`, or a name alone for what the kernel brings.
fn libraries(program: &Path, loader: &Path) -> Result<BTreeSet<PathBuf>> {
    let (shown, name) = (program.display(), loader.display());
    ensure!(
        loader.exists(),
        "{shown} cannot run on this machine, which lacks its loader {name}"
    );
    // It is executed, and whoever made the program has named it: it might be any program.
    let file_name = loader.file_name().unwrap_or_default().as_bytes();
    ensure!(
        file_name.starts_with(b"ld"),
        "{shown} wants to be loaded by {name}, which is not called like a loader, as in ld.so"
    );
    let list = Command::new(loader).arg("--list").arg(program).output();
    let list = list.with_context(|| format!("execute {name}, the loader of {shown}"))?;
    let lines = list.stdout.split(|byte| *byte == b'\n');
    let paths: BTreeSet<PathBuf> = lines.filter_map(library).collect();
    if !list.status.success() || paths.is_empty() {
        let errors = String::from_utf8_lossy(&list.stderr);
        let why = errors.lines().last().map(str::to_owned);
        let why = why.unwrap_or(list.status.to_string());
        bail!("{shown} cannot be loaded by {name} on this machine: {why}");
    }
    Ok(paths)
}

fn library(line: &[u8]) -> Option<PathBuf> {
    let line = line.trim_ascii();
    let arrow = line.windows(4).position(|part| part == b" => ");
    let path = &line[arrow.map_or(0, |at| at + 4)..];
    let end = path.windows(2).rposition(|part| part == b" (");
    let path = Path::new(OsStr::from_bytes(&path[..end.unwrap_or(path.len())]));
    path.is_absolute().then(|| path.into())
}
