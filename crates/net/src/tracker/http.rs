//! HTTP requests: slots per host, redirects one by one, bodies with a limit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracker::url::{AddressRule, Purpose, check_redirect};
use tracker::{Family, ReplyError, TrackerUrl};

use super::error::Error;
use super::resolve::{Guarded, check_literal};
use super::{Builder, Roots, body_limit};

pub(super) struct Http {
    settings: Builder,
    /// One for each rule and family met: at most a dozen.
    clients: Mutex<BTreeMap<(AddressRule, Family), reqwest::Client>>,
    slots: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// A body that was read whole, and how it came.
pub(super) struct Fetched {
    origin: String,
    status: u16,
    body: Vec<u8>,
}

impl Fetched {
    /// Reads the body as a tracker's answer. Trackers refuse with all kinds of statuses, so the status only counts
    /// where the body is no answer.
    pub(super) fn read<T>(self, parse: impl FnOnce(&[u8]) -> Result<T, ReplyError>) -> Result<T, Error> {
        match parse(&self.body) {
            Ok(reply) if self.is_success() => Ok(reply),
            Err(error @ ReplyError::Refused { .. }) => Err(error.into()),
            Err(error) if self.is_success() => Err(error.into()),
            _ => Err(Error::Status { origin: self.origin, status: self.status }),
        }
    }

    /// The body, where the status says success.
    pub(super) fn into_success(self) -> Result<Vec<u8>, Error> {
        if self.is_success() {
            return Ok(self.body);
        }
        Err(Error::Status { origin: self.origin, status: self.status })
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Http {
    pub(super) fn new(settings: Builder) -> Result<Http, Error> {
        let http = Http { settings, clients: Mutex::default(), slots: Mutex::default() };
        // Wrong settings show now and not at the first announce.
        http.client(AddressRule::ANY, Family::Any)?;
        Ok(http)
    }

    /// Gets `text`, a request that belongs to `url`, following redirects.
    pub(super) async fn get(
        &self,
        url: &TrackerUrl,
        text: String,
        purpose: Purpose,
        rule: AddressRule,
        family: Family,
    ) -> Result<Fetched, Error> {
        let after = self.settings.total_timeout;
        let work = self.follow(url, text, purpose, rule, family);
        match tokio::time::timeout(after, work).await {
            Ok(done) => done,
            Err(_) => Err(Error::Timeout { origin: url.origin().to_owned(), after }),
        }
    }

    async fn follow(
        &self,
        url: &TrackerUrl,
        mut text: String,
        purpose: Purpose,
        mut rule: AddressRule,
        family: Family,
    ) -> Result<Fetched, Error> {
        let mut hop = url.clone();
        let mut authorization = url.credentials().and_then(|(user, password)| basic(user, password));
        let mut redirects = 0;
        loop {
            check_literal(&hop, rule, family)?;
            let _slot = self.slot(hop.origin()).await?;
            let failed = |error| Error::from_http(hop.origin(), error);
            let mut request = self.client(rule, family)?.get(&text);
            if let Some(value) = &authorization {
                request = request.header(AUTHORIZATION, value.clone());
            }
            let response = request.send().await.map_err(failed)?;
            let Some(location) = redirect_target(&response) else {
                return read_body(&hop, response, body_limit(purpose)).await;
            };
            let from = response.remote_addr().ok_or_else(|| Error::Http {
                origin: hop.origin().to_owned(),
                problem: "a redirect from an unknown address".to_owned(),
            })?;
            redirects += 1;
            let next = check_redirect(&hop, from.ip(), &location, redirects, purpose, self.settings.rules)
                .map_err(|refusal| Error::from_redirect(hop.origin(), refusal))?;
            if !next.keep_authorization {
                authorization = None;
            }
            (text, rule, hop) = (next.to.as_str().to_owned(), next.rule, next.to);
        }
    }

    /// Waits for a slot of this host.
    async fn slot(&self, origin: &str) -> Result<OwnedSemaphorePermit, Error> {
        let slots = {
            let mut all = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            // Hosts that nobody asks are forgotten, so that the map follows the number of requests.
            if !all.contains_key(origin) {
                all.retain(|_, slots| Arc::strong_count(slots) > 1);
            }
            let fresh = || Arc::new(Semaphore::new(self.settings.per_host));
            Arc::clone(all.entry(origin.to_owned()).or_insert_with(fresh))
        };
        slots.acquire_owned().await.map_err(|_| Error::Closed)
    }

    fn client(&self, rule: AddressRule, family: Family) -> Result<reqwest::Client, Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&(rule, family)) {
            return Ok(client.clone());
        }
        let client = self.new_client(rule, family)?;
        clients.insert((rule, family), client.clone());
        Ok(client)
    }

    fn new_client(&self, rule: AddressRule, family: Family) -> Result<reqwest::Client, Error> {
        let s = &self.settings;
        let base = || {
            reqwest::Client::builder()
                .user_agent(&s.user_agent)
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                // A proxy from the environment would look names up where our rules don't reach.
                .no_proxy()
                .connect_timeout(s.connect_timeout)
                .pool_max_idle_per_host(s.per_host)
                .local_address(s.bind_addr(family))
                .dns_resolver(Arc::new(Guarded { resolver: Arc::clone(&s.resolver), rule, family }))
        };
        let setup = |error: reqwest::Error| Error::Setup(deepest(&error));
        match &s.roots {
            // The system's verifier can't be made where there are no certificates.
            Roots::System => {
                base().build().or_else(|_| base().tls_certs_only(bundled()).build()).map_err(setup)
            }
            Roots::Bundled => base().tls_certs_only(bundled()).build().map_err(setup),
            Roots::Pem(pem) => {
                let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(setup)?;
                base().tls_certs_only(certificates).build().map_err(setup)
            }
        }
    }
}

/// Mozilla's root certificates.
fn bundled() -> impl Iterator<Item = reqwest::Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok())
}

fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}

/// The value of an `Authorization` header (RFC 7617).
fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let credentials = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
    let mut value = HeaderValue::from_str(&format!("Basic {credentials}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Where a response redirects to. A redirect without a readable target is no redirect.
fn redirect_target(response: &reqwest::Response) -> Option<String> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// Reads the body chunk by chunk; the limit is that of the unpacked bytes.
async fn read_body(
    url: &TrackerUrl,
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Fetched, Error> {
    let origin = url.origin().to_owned();
    let too_large = || Error::TooLarge { origin: url.origin().to_owned(), limit };
    if response.content_length().is_some_and(|len| len > limit as u64) {
        return Err(too_large());
    }
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Error::from_http(&origin, e))? {
        if chunk.len() > limit - body.len() {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched { origin, status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_coded_as_the_rfc_says_and_kept_out_of_logs() {
        let value = basic("Aladdin", "open sesame").unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(value.is_sensitive());
    }
}
