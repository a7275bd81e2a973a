//! What an image says about its command.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Where programs are, if the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The part of an image's config that is about running it.
pub struct Config {
    variables: Vec<(String, String)>,
    entrypoint: Vec<String>,
    command: Vec<String>,
    pub working_dir: PathBuf,
    user: String,
}

/// Who the command is.
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

impl Config {
    pub fn new(config: &Value) -> Result<Self> {
        let words = |name: &str| match &config[name] {
            Value::Null => Ok(Vec::new()),
            words => serde_json::from_value(words.clone()).with_context(|| format!("read {name}")),
        };
        let text = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
        let variables = words("Env")?.into_iter().map(|variable: String| {
            let (name, value) = variable.split_once('=').unwrap_or((&variable, ""));
            (name.to_owned(), value.to_owned())
        });
        Ok(Self {
            variables: variables.collect(),
            entrypoint: words("Entrypoint")?,
            command: words("Cmd")?,
            working_dir: PathBuf::from("/").join(text("WorkingDir")),
            user: text("User"),
        })
    }

    /// The words of the command: `ours` take the place of the image's command, not of its
    /// entrypoint.
    pub fn argv(&self, ours: &[OsString]) -> Result<Vec<OsString>> {
        let own: Vec<OsString> = self.command.iter().map(OsString::from).collect();
        let words = if ours.is_empty() { &own[..] } else { ours };
        let argv = self.entrypoint.iter().map(OsString::from);
        let argv: Vec<OsString> = argv.chain(words.iter().cloned()).collect();
        ensure!(!argv.is_empty(), "the image names no command: name one");
        Ok(argv)
    }

    /// The environment, with what Docker adds where the image does not say it.
    pub fn variables(&self, home: &str) -> Vec<(OsString, OsString)> {
        let added = [("PATH", PATH.into()), ("HOME", home.into())];
        let added = added
            .into_iter()
            .chain(std::env::var_os("TERM").map(|term| ("TERM", term)));
        let added = added.map(|(name, value)| (name.into(), value));
        let own = self.variables.iter();
        let own = own.map(|(name, value)| (name.into(), value.into()));
        added.chain(own).collect()
    }

    /// The user, as /etc/passwd of our root has it: `USER` or `USER:GROUP`, names or numbers.
    pub fn user(&self) -> Result<User> {
        let (user, group) = match self.user.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (self.user.as_str(), None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let entry = find("/etc/passwd", user);
        let of_entry = |number: usize| entry.as_ref().and_then(|entry| entry.get(number));
        let number = |text: Option<&String>, name: &str, file: &str| match text {
            Some(text) => text
                .parse()
                .with_context(|| format!("read a number in {file}")),
            None => name
                .parse()
                .with_context(|| format!("find {name} in {file} of the image")),
        };
        let uid = number(of_entry(2), user, "/etc/passwd")?;
        let gid = match group {
            Some(group) => {
                let entry = find("/etc/group", group);
                number(entry.as_ref().and_then(|it| it.get(2)), group, "/etc/group")?
            }
            None => {
                of_entry(3).map_or(Ok(0), |gid| gid.parse().context("read a group's number"))?
            }
        };
        let home = of_entry(5).map_or("/", String::as_str).to_owned();
        Ok(User { uid, gid, home })
    }
}

/// The line about somebody, by name or number, with its fields.
fn find(file: &str, who: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(file).ok()?;
    let lines = text
        .lines()
        .map(|line| line.split(':').map(str::to_owned).collect());
    let mut lines = lines.filter(|fields: &Vec<String>| fields.len() > 2);
    lines.find(|fields| fields[0] == who || fields[2] == who)
}
