//! One request after the other, with what the registry wants to know of us.

use std::cell::RefCell;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{self, Method, Response, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::challenge::Challenge;
use super::error::RegistryError;
use super::patience::Patience;
use crate::reference::RegistryRef;
use crate::settings::{Certificates, Credentials, Endpoint};

/// How long a machine may take to be reached.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a connection may stand still.
const STALL: Duration = Duration::from_secs(60);
/// How often a registry is greeted that does not answer.
const GREETINGS: u32 = 4;
/// How much is read of a registry's words, bytes.
const WORDS: u64 = 16 << 10;
/// How much of them is repeated, characters.
const REPEATED: usize = 200;
/// The largest token, bytes.
const TOKEN: u64 = 1 << 20;
/// What is read or written at a time, bytes.
const BUFFER: usize = 256 << 10;

/// What is going to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Pull,
    /// Read and write.
    Push,
}

/// A registry that has answered.
#[derive(Debug)]
pub(super) struct Session {
    agent: Agent,
    base: String,
    image: RegistryRef,
    access: Access,
    insecure: bool,
    challenge: Option<Challenge>,
    credentials: Option<Credentials>,
    /// The header, once there is one.
    authorization: RefCell<Option<String>>,
}

/// A request that can be made more than once.
#[derive(Clone, Debug)]
pub(super) struct Request<'b> {
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
    bytes: Option<&'b [u8]>,
}

impl<'b> Request<'b> {
    pub(super) fn new(method: Method, url: String) -> Self {
        Request { method, url, headers: Vec::new(), bytes: None }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn bytes(self, bytes: &'b [u8]) -> Self {
        Request { bytes: Some(bytes), ..self }
    }

    fn what(&self) -> String {
        let verb = match self.method {
            Method::GET | Method::HEAD => "fetch",
            _ => "send to",
        };
        verb.to_owned()
    }
}

/// What came back.
pub(super) struct Answer {
    response: Response<Body>,
    host: String,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The body, without a limit of its own.
    pub(super) fn into_reader(self) -> impl Read + use<> {
        self.response.into_body().into_with_config().limit(u64::MAX).reader()
    }

    /// All of the body, which has at most `limit` bytes.
    pub(super) fn body(self, request: &Request<'_>, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let read = self.into_reader().take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| connection(request, ureq::Error::Io(error)))?;
        match bytes.len() as u64 > limit {
            true => Err(RegistryError::TooLarge { what: "an answer", size: bytes.len() as u64, limit }),
            false => Ok(bytes),
        }
    }

    /// Passes an answer with one of these statuses.
    pub(super) fn expect(self, request: &Request<'_>, expected: &[StatusCode]) -> Result<Self, RegistryError> {
        let status = self.status();
        if expected.contains(&status) {
            return Ok(self);
        }
        let (host, url) = (self.host.clone(), request.url.clone());
        let mut words = Vec::new();
        // Without words, the status says enough.
        let _ = self.into_reader().take(WORDS).read_to_end(&mut words);
        let said = said(&words);
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Denied { host, status, said },
            StatusCode::NOT_FOUND => RegistryError::NotFound { url, said },
            _ => RegistryError::Answer { url, status, said },
        })
    }
}

/// What a registry says of an error, in one line: distribution specification, "Error Codes".
fn said(words: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Error>,
    }
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Error {
        code: String,
        message: String,
    }
    let Ok(Errors { errors }) = serde_json::from_slice(words) else { return String::new() };
    let texts: Vec<String> = errors.iter().map(|error| format!("{} {}", error.code, error.message)).collect();
    let line = texts.join("; ");
    let printable = line.chars().map(|character| if character.is_control() { ' ' } else { character });
    printable.take(REPEATED).collect::<String>().trim().to_owned()
}

fn connection(request: &Request<'_>, source: ureq::Error) -> RegistryError {
    RegistryError::of_connection(request.what(), request.url.clone(), source)
}

impl Session {
    /// Greets the registry over TLS; over plain HTTP where it is insecure and does not answer otherwise.
    pub(super) fn open(
        place: &Endpoint,
        access: Access,
        credentials: Option<Credentials>,
        certificates: Certificates,
        patience: Patience<'_>,
    ) -> Result<Self, RegistryError> {
        let agent = agent(place.insecure, certificates)?;
        let greet = |scheme: &str| {
            let base = format!("{scheme}://{}", place.image.machine());
            let request = Request::new(Method::GET, format!("{base}/v2/"));
            let mut session = Session {
                agent: agent.clone(),
                base,
                image: place.image.clone(),
                access,
                insecure: place.insecure,
                challenge: None,
                credentials: credentials.clone(),
                authorization: RefCell::default(),
            };
            let answer = session.once(&request, None)?;
            if answer.status() == StatusCode::UNAUTHORIZED {
                session.challenge = answer.header("www-authenticate").and_then(Challenge::parse_optional);
            } else {
                answer.expect(&request, &[StatusCode::OK])?;
            }
            Ok(session)
        };
        // Who does not answer at all is more often not there than busy.
        let patience = Patience { tries: patience.tries.min(GREETINGS), ..patience };
        patience.insist(|| match greet("https") {
            Err(error @ (RegistryError::Connection { .. } | RegistryError::NoTls { .. })) if place.insecure => {
                greet("http").map_err(|_| error)
            }
            greeted => greeted,
        })
    }

    /// `https://HOST`.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Asks; once more with a new token where the old one will not do.
    pub(super) fn ask(&self, request: &Request<'_>) -> Result<Answer, RegistryError> {
        self.authorize(false)?;
        let answer = self.once(request, None)?;
        if answer.status() != StatusCode::UNAUTHORIZED || !self.authorize(true)? {
            return Ok(answer);
        }
        self.once(request, None)
    }

    /// Sends `body` to its end; nothing is tried a second time.
    pub(super) fn send(&self, request: &Request<'_>, body: &mut dyn Read) -> Result<Answer, RegistryError> {
        self.authorize(false)?;
        self.once(request, Some(body))
    }

    fn once(&self, request: &Request<'_>, body: Option<&mut dyn Read>) -> Result<Answer, RegistryError> {
        let mut builder = http::Request::builder().method(&request.method).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(authorization) = self.authorization.borrow().as_ref().filter(|_| self.is_ours(&request.url)) {
            builder = builder.header("authorization", authorization);
        }
        let answered = match (body, request.bytes) {
            (Some(body), _) => self.run(builder, SendBody::from_reader(body)),
            (None, Some(bytes)) => {
                let mut bytes = bytes;
                let builder = builder.header("content-length", bytes.len().to_string());
                self.run(builder, SendBody::from_reader(&mut bytes))
            }
            (None, None) if matches!(request.method, Method::GET | Method::HEAD) => self.run(builder, ()),
            (None, None) => {
                self.run(builder.header("content-length", "0"), SendBody::from_reader(&mut std::io::empty()))
            }
        };
        let response = answered.map_err(|source| connection(request, source))?;
        Ok(Answer { response, host: self.image.host.clone() })
    }

    fn run(&self, builder: http::request::Builder, body: impl ureq::AsSendBody) -> Result<Response<Body>, ureq::Error> {
        self.agent.run(builder.body(body)?)
    }

    /// Whether `url` leads to the registry: nobody else is told who we are.
    fn is_ours(&self, url: &str) -> bool {
        let parts = |url: &str| url.parse::<Uri>().ok().map(|uri| (uri.scheme().cloned(), uri.authority().cloned()));
        parts(url) == parts(&self.base)
    }

    /// Gets what the registry asked for, if it did; whether there is now something that was not there before.
    fn authorize(&self, anew: bool) -> Result<bool, RegistryError> {
        if self.authorization.borrow().is_some() && !anew {
            return Ok(false);
        }
        let header = match (&self.challenge, &self.credentials) {
            (Some(Challenge::Basic), Some(credentials)) => credentials.basic(),
            (Some(Challenge::Bearer { realm, service }), _) => {
                format!("Bearer {}", self.token(realm, service.as_deref())?)
            }
            _ => return Ok(false),
        };
        let before = self.authorization.replace(Some(header));
        Ok(before != *self.authorization.borrow())
    }

    /// Distribution, "Token Authentication Specification".
    fn token(&self, realm: &str, service: Option<&str>) -> Result<String, RegistryError> {
        #[derive(Deserialize)]
        struct Told {
            token: Option<String>,
            access_token: Option<String>,
        }
        let nonsense = |what| RegistryError::Nonsense { url: realm.to_owned(), what };
        let is_safe = realm.starts_with("https://") || self.insecure && realm.starts_with("http://");
        if !is_safe {
            return Err(nonsense("passwords are not sent there, since it is not https"));
        }
        let actions = if self.access == Access::Push { "pull,push" } else { "pull" };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(service.map(|service| ("service", service)));
        query.append_pair("scope", &format!("repository:{}:{actions}", self.image.name));
        let separator = if realm.contains('?') { '&' } else { '?' };
        let mut request = Request::new(Method::GET, format!("{realm}{separator}{}", query.finish()));
        if let Some(credentials) = &self.credentials {
            request = request.header("authorization", &credentials.basic());
        }
        let held = self.authorization.take();
        let answer = self.once(&request, None);
        self.authorization.replace(held);
        let body = answer?.expect(&request, &[StatusCode::OK])?.body(&request, TOKEN)?;
        let told: Told = serde_json::from_slice(&body).map_err(|_| nonsense("it gives no token"))?;
        told.token.or(told.access_token).ok_or_else(|| nonsense("it gives no token"))
    }
}

fn agent(insecure: bool, certificates: Certificates) -> Result<Agent, RegistryError> {
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .client_cert(certificates.client)
        .disable_verification(insecure)
        .root_certs(RootCerts::from(authorities(certificates.authorities)));
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        .user_agent(concat!("ckpt/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(STALL))
        .timeout_per_read(Some(STALL))
        .timeout_per_write(Some(STALL))
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER);
    Ok(config.build().new_agent())
}

/// Those that the host trusts, and those of the registry.
fn authorities(own: Vec<Certificate<'static>>) -> Vec<Certificate<'static>> {
    // Certificates that cannot be read are no reason not to trust the others: a registry that needs them is refused.
    let of_host = rustls_native_certs::load_native_certs().certs;
    of_host.iter().map(|der| Certificate::from_der(der).to_owned()).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_words_keep_to_their_line() {
        let words = br#"{"errors":[{"code":"DENIED","message":"requested\n\u001b[31m access"},{"code":"X"}]}"#;
        assert_eq!(said(words), "DENIED requested  [31m access; X");
        assert_eq!(said(b"<html>"), "");
        let long = format!(r#"{{"errors":[{{"code":"{}"}}]}}"#, "x".repeat(1000));
        assert_eq!(said(long.as_bytes()).len(), REPEATED);
    }
}
