//! Whom a TLS connection trusts: given certificates, else the machine's own store, else the public authorities.

use std::sync::{Arc, OnceLock};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::{HttpError, Tls};

/// Where distributions keep the certificates that the machine trusts.
const STORES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Makes the library's settings of a call's.
pub(super) fn config(tls: &Tls) -> Result<TlsConfig, HttpError> {
    let mut config = TlsConfig::builder().disable_verification(tls.insecure);
    if let Some(pem) = &tls.authorities {
        let trusted = certificates(pem)?;
        if trusted.is_empty() {
            return Err(HttpError::Request(
                "the file of trusted certificates holds none".to_owned(),
            ));
        }
        config = config.root_certs(RootCerts::new_with_certs(&trusted));
    } else if !tls.insecure {
        config = config.root_certs(machine());
    }
    if let Some((certificate, key)) = &tls.client {
        let key = PrivateKey::from_pem(key.reveal().as_bytes());
        let key = key.map_err(|error| HttpError::Request(format!("the client's key: {error}")))?;
        let chain = certificates(certificate)?;
        config = config.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(config.build())
}

/// Returns whom this machine trusts; read once, since every probe would read it again.
fn machine() -> RootCerts {
    static TRUSTED: OnceLock<Option<Arc<Vec<Certificate<'static>>>>> = OnceLock::new();
    let trusted = TRUSTED.get_or_init(|| {
        let pem = STORES.iter().find_map(|path| std::fs::read(path).ok())?;
        let found = certificates(&pem).ok().filter(|found| !found.is_empty())?;
        Some(Arc::new(found))
    });
    trusted
        .clone()
        .map_or(RootCerts::WebPki, RootCerts::Specific)
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, HttpError> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(HttpError::Request(format!("certificates: {error}"))),
        }
    }
    Ok(found)
}
