//! TLS between the simulators, as the databases do it: a server shows a certificate, and
//! nobody among the servers verifies it.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// Returns what a server needs to show the certificate of a PEM file with certificate and key.
pub fn acceptor(keyfile: &Path) -> io::Result<TlsAcceptor> {
    acceptor_of(&std::fs::read(keyfile)?)
}

/// Returns what a server needs to show the certificate of a PEM text.
pub fn acceptor_of(pem: &[u8]) -> io::Result<TlsAcceptor> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Speaks TLS on a connection, whoever answers it.
pub async fn connect(host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    static CLIENT: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
    let config = CLIENT.get_or_init(client_config).clone();
    let config = config.ok_or_else(|| io::Error::other("TLS cannot be set up"))?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}

fn client_config() -> Option<Arc<ClientConfig>> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    Some(Arc::new(config))
}

/// Makes a certificate of its own for the given names, as a PEM file with certificate and key.
pub fn self_signed(names: Vec<String>) -> io::Result<String> {
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    Ok(format!(
        "{}{}",
        made.cert.pem(),
        made.signing_key.serialize_pem()
    ))
}

/// Takes any certificate for good.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::http::{Call, Door, Request, Response, Service, Target, bind, call};
    use std::time::Duration;

    struct Hello;

    impl Service for Hello {
        async fn call(&self, _: Request) -> Response {
            Response::text(200, "hello")
        }
    }

    #[tokio::test]
    async fn a_self_signed_server_is_spoken_to_and_plain_text_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let keyfile = dir.path().join("server.pem");
        #[expect(clippy::disallowed_methods, reason = "a scratch file")]
        std::fs::write(&keyfile, self_signed(vec!["127.0.0.1".into()]).unwrap()).unwrap();
        let listener = bind("127.0.0.1", 0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let _door = Door::open(listener, Some(acceptor(&keyfile).unwrap()), Arc::new(Hello));
        let limit = Duration::from_secs(5);
        let secure = Target::parse(&format!("ssl://127.0.0.1:{port}")).unwrap();
        let reply = call(Call::new(&secure, "GET", "/", limit)).await.unwrap();
        assert_eq!(&reply.body[..], b"hello");
        let plain = Target::parse(&format!("tcp://127.0.0.1:{port}")).unwrap();
        assert!(call(Call::new(&plain, "GET", "/", limit)).await.is_err());
    }
}
