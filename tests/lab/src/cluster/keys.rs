//! Secrets and certificates for a cluster, made anew for each.

use std::net::Ipv4Addr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::Error;
use crate::files;

/// Returns a secret that nobody has had before.
pub(super) fn secret() -> Result<String, files::Error> {
    let uuid = || files::read(Path::new("/proc/sys/kernel/random/uuid"));
    Ok(format!("{}{}", uuid()?.trim(), uuid()?.trim()).replace('-', ""))
}

/// An authority that signs the servers' certificates.
#[derive(Debug)]
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority.
    pub(super) fn make() -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "lab authority");
        let key = KeyPair::generate().map_err(failed)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
        Ok(Self { issuer })
    }

    /// Returns the authority's own certificate as PEM.
    pub(super) fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Makes a server's certificate, and returns it with its key as one PEM file.
    pub(super) fn server(&self, name: &str, address: Ipv4Addr) -> Result<String, Error> {
        let names = [name.to_owned(), address.to_string(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().map_err(failed)?;
        let params = CertificateParams::new(names).map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where an error is mapped"
)]
fn failed(error: rcgen::Error) -> Error {
    Error::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_eq!(one.len(), 64);
        assert_ne!(one, other);
    }

    #[test]
    fn a_servers_file_has_its_certificate_and_its_key() {
        let authority = Authority::make().unwrap();
        let pem = authority.server("node1", Ipv4Addr::LOCALHOST).unwrap();
        let count = |mark: &str| pem.matches(mark).count();
        assert_eq!(count("-----BEGIN CERTIFICATE-----"), 1);
        assert_eq!(count("-----BEGIN PRIVATE KEY-----"), 1);
        assert!(!pem.contains(&authority.certificate()));
    }
}
