//! What an image is called, and where that is.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::{Error, Result, ensure};

/// `HOST/REPOSITORY:TAG`, as it is when nothing is left out.
pub struct Name {
    pub host: String,
    pub repository: String,
    /// A tag, or a digest.
    pub reference: String,
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (host, rest) = match text.split_once('/') {
            // A name of Docker Hub has neither a dot nor a port in front of its slash.
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
            _ => ("registry-1.docker.io", text),
        };
        let (repository, reference) = match (rest.split_once('@'), rest.rsplit_once(':')) {
            (Some((repository, digest)), _) => (repository, digest),
            (_, Some((repository, tag))) => (repository, tag),
            _ => (rest, "latest"),
        };
        let is_official = host == "registry-1.docker.io" && !repository.contains('/');
        let repository = format!("{}{repository}", if is_official { "library/" } else { "" });
        let is_good = |text: &str, more: &str| {
            let is_good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            !text.is_empty() && text.chars().all(is_good)
        };
        let holds = is_good(host, ".-:")
            && is_good(&repository, "._-/")
            && is_good(reference, "._-:")
            && !repository
                .split('/')
                .any(|part| part.is_empty() || part == "..");
        ensure!(
            holds,
            "{text} is no name such as alpine:latest or localhost:5000/mine:1.0"
        );
        Ok(Self {
            host: host.to_owned(),
            repository,
            reference: reference.to_owned(),
        })
    }
}

impl Name {
    /// Whether the registry is this machine: then nobody can listen, and it is asked without TLS.
    pub fn is_local(&self) -> bool {
        let host = self.host.split(':').next().unwrap_or_default();
        host == "localhost" || host.starts_with("127.")
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let mark = if self.reference.contains(':') {
            '@'
        } else {
            ':'
        };
        write!(
            f,
            "{}/{}{mark}{}",
            self.host, self.repository, self.reference
        )
    }
}
