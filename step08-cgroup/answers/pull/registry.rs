//! A registry, by HTTP.

use std::fmt::{self, Display, Formatter};
use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use crate::name::Name;

/// What we can read: for one processor, and for several.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// In bytes: registries take no longer manifests.
const LONGEST_MANIFEST: u64 = 4 << 20;

/// Nothing has come for so long: then nothing comes any more.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Registry {
    agent: Agent,
    /// `http://HOST/v2/REPOSITORY`
    address: String,
    token: Option<String>,
}

/// An error that may not be there the next time.
#[derive(Debug)]
pub struct Cut;

impl Display for Cut {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str("the connection was cut")
    }
}

/// Where an answer begins.
#[derive(PartialEq, Eq)]
pub enum Start {
    Beginning,
    WhereWeAsked,
}

impl Registry {
    pub fn new(name: &Name) -> Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE));
        let (scheme, config) = match name.is_local() {
            // A proxy would ask itself.
            true => ("http", config.proxy(None)),
            false => ("https", config),
        };
        Ok(Self {
            agent: config.build().into(),
            address: format!("{scheme}://{}/v2/{}", name.host, name.repository),
            token: None,
        })
    }

    /// A manifest by its tag or digest, and what kind it is.
    pub fn manifest(&mut self, reference: &str) -> Result<(String, Vec<u8>)> {
        let what = || format!("fetch the manifest {reference}");
        let headers = [("accept", MANIFESTS.to_owned())];
        let response = self.get(&format!("manifests/{reference}"), &headers);
        let mut response = response.with_context(what)?;
        expect_found(&response).with_context(what)?;
        let kind = text(response.headers(), "content-type").to_owned();
        let body = response.body_mut().with_config().limit(LONGEST_MANIFEST);
        let bytes = body.read_to_vec().with_context(what)?;
        if reference.starts_with("sha256:") {
            let seen = format!("sha256:{:x}", Sha256::digest(&bytes));
            ensure!(
                seen == reference,
                "the digest of manifest {reference} is {seen}"
            );
        }
        Ok((kind, bytes))
    }

    /// A part of an image, from a byte on.
    pub fn blob(&mut self, digest: &str, from: u64) -> Result<(Start, impl Read + use<>)> {
        let range = (from > 0).then(|| ("range", format!("bytes={from}-")));
        let response = self.get(&format!("blobs/{digest}"), range.as_slice());
        let response = response.context(Cut)?;
        expect_found(&response)?;
        let start = match response.status().as_u16() {
            206 => Start::WhereWeAsked,
            _ => Start::Beginning,
        };
        Ok((start, response.into_body().into_reader()))
    }

    /// Asks, and asks again with a token if it wants one.
    fn get(&mut self, path: &str, headers: &[(&str, String)]) -> Result<Response<Body>> {
        let response = self.ask(path, headers)?;
        if response.status() != 401 {
            return Ok(response);
        }
        let challenge = text(response.headers(), "www-authenticate").to_owned();
        self.token = Some(self.fetch_token(&challenge).context("get a token")?);
        self.ask(path, headers)
    }

    fn ask(&self, path: &str, headers: &[(&str, String)]) -> Result<Response<Body>> {
        let mut request = self.agent.get(format!("{}/{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.call().map_err(|error| match error {
            ureq::Error::TlsRequired => {
                anyhow!("this program is built without TLS: see `ureq` in Cargo.toml")
            }
            other => other.into(),
        });
        answer.with_context(|| format!("ask {}", self.address))
    }

    /// Gets a token where the registry says: `Bearer realm="ADDRESS",service="…",scope="…"`.
    fn fetch_token(&self, challenge: &str) -> Result<String> {
        let fields = challenge.strip_prefix("Bearer ");
        let fields = fields.context("it wants a password, and this program knows none")?;
        let field = |name: &str| {
            let (_, rest) = fields.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let mut request = self
            .agent
            .get(field("realm").context("it does not say where")?);
        for name in ["service", "scope"] {
            if let Some(value) = field(name) {
                request = request.query(name, value);
            }
        }
        let mut response = request.call()?;
        expect_found(&response)?;
        let body = response.body_mut().with_config().limit(LONGEST_MANIFEST);
        let answer: Value = serde_json::from_slice(&body.read_to_vec()?)?;
        let mut tokens = ["token", "access_token"]
            .iter()
            .map(|name| answer[name].as_str());
        let token = tokens
            .find_map(|token| token)
            .context("the answer has none")?;
        Ok(token.to_owned())
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn expect_found(response: &Response<Body>) -> Result<()> {
    match response.status().as_u16() {
        200 | 206 => Ok(()),
        404 => bail!("there is none: is the name right?"),
        401 | 403 => bail!("the registry does not let us: does the image belong to somebody?"),
        429 => bail!("the registry wants us to ask less often: try later"),
        _ => Err(anyhow!("the registry answers {}", response.status())),
    }
}
