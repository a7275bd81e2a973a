//! What happens while we watch: a file is saved, a key is pressed, a signal comes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices as Index, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::read;
use signal_hook::flag;

/// How often we look at the files.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Save,
    Key(u8),
    /// A signal wants us to end, with this exit status.
    End(u8),
}

/// All that can happen. While it is there, the terminal gives each key at once.
pub struct Events {
    signals: Signals,
    terminal: Terminal,
    files: Files,
    /// What has happened, and has not been taken yet.
    next: Option<Event>,
}

impl Events {
    /// Watches a program, or all that is written in Rust in a folder.
    pub fn of(path: PathBuf) -> Result<Self> {
        Ok(Self {
            // First: a signal must not end us before the terminal is put back.
            signals: Signals::catch()?,
            terminal: Terminal::take()?,
            files: Files::new(path),
            next: None,
        })
    }

    /// Waits for something to happen.
    pub fn wait(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.look()? {
                self.next = None;
                return Ok(event);
            }
            thread::sleep(PAUSE / 5);
        }
    }

    /// Whether what is being asked is of no use any more.
    pub fn disturb(&mut self) -> Result<bool> {
        Ok(self.look()?.is_some_and(|event| event != Event::Key(b'h')))
    }

    /// The exit status that a signal asks for.
    pub fn end(&self) -> Option<u8> {
        self.signals.status()
    }

    fn look(&mut self) -> Result<Option<Event>> {
        if let Some(status) = self.end() {
            return Ok(Some(Event::End(status)));
        }
        if self.next.is_none() {
            let key = self.terminal.key()?.filter(|key| b"nphq".contains(key));
            let save = || self.files.are_saved().then_some(Event::Save);
            self.next = key.map(Event::Key).or_else(save);
        }
        Ok(self.next)
    }
}

/// The signals that want us to end. We end what we have started before, and put the terminal
/// back.
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// From now on they do not end us. What we start is not deaf to them: a handler does not
    /// outlive execve(2), where a mask would.
    pub fn catch() -> Result<Self> {
        use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let came = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] {
            let status = 128 + signal as usize;
            flag::register_usize(signal as i32, Arc::clone(&came), status)
                .context("catch signals")?;
        }
        Ok(Self(came))
    }

    /// The exit status that tells of the signal, if one has come.
    pub fn status(&self) -> Option<u8> {
        let status = self.0.load(Ordering::SeqCst);
        u8::try_from(status).ok().filter(|status| *status > 0)
    }
}

/// The terminal on standard input, which is put back as it was.
struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Without lines and echo, and reading never waits. Ctrl-C goes on to send a signal.
    /// Ctrl-Z does not: the shell would find the terminal like that.
    fn take() -> Result<Self> {
        let before = tcgetattr(io::stdin()).context("ask for the settings of the terminal")?;
        let mut keys = before.clone();
        keys.local_flags -= LocalFlags::ICANON | LocalFlags::ECHO;
        for index in [Index::VMIN, Index::VTIME, Index::VSUSP] {
            keys.control_chars[index as usize] = 0;
        }
        tcsetattr(io::stdin(), SetArg::TCSANOW, &keys).context("set the terminal")?;
        Ok(Self { before })
    }

    fn key(&self) -> Result<Option<u8>> {
        let mut byte = [0];
        match read(io::stdin(), &mut byte) {
            Ok(count) => Ok((count > 0).then_some(byte[0])),
            Err(Errno::EINTR) => Ok(None),
            Err(errno) => bail!("read a key: {errno}"),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // What was typed for us is not for the shell.
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.before).ok();
    }
}

/// The files that are watched.
struct Files {
    path: PathBuf,
    /// As they were when they were asked about.
    known: Vec<State>,
    /// As they were a moment ago, and when that was.
    last: Vec<State>,
    looked: Instant,
}

/// A file's path, its size and the time of its last change, seconds and nanoseconds.
type State = (PathBuf, u64, i64, i64);

impl Files {
    fn new(path: PathBuf) -> Self {
        let known = states(&path);
        Self {
            path,
            last: known.clone(),
            known,
            looked: Instant::now(),
        }
    }

    /// Whether they have changed, and stay as they are: an editor or a linker writes a file in
    /// more than one go.
    fn are_saved(&mut self) -> bool {
        if self.looked.elapsed() < PAUSE {
            return false;
        }
        self.looked = Instant::now();
        let now = states(&self.path);
        let is_settled = now == self.last && now != self.known;
        if is_settled {
            self.known.clone_from(&now);
        }
        self.last = now;
        is_settled
    }
}

/// The state of a file, or of all below a folder. What an editor leaves beside them, such as
/// `.main.rs.swp`, does not count.
fn states(path: &Path) -> Vec<State> {
    // What is gone by now is no file, and will be seen to be gone.
    let Ok(entries) = fs::read_dir(path) else {
        return state(path).into_iter().collect();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.is_dir() || path.extension().is_some_and(|name| name == "rs"));
    paths.sort();
    paths.iter().flat_map(|path| states(path)).collect()
}

fn state(path: &Path) -> Option<State> {
    let meta = fs::metadata(path).ok()?;
    // This time changes, too, if a file is replaced by an older one or made executable.
    Some((path.into(), meta.len(), meta.ctime(), meta.ctime_nsec()))
}
