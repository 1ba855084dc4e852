//! A certificate of our own, so that the functions' TLS is measured and not switched off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// A server's certificate, and the file that says whom to trust for it.
pub(crate) struct Tls {
    config: Arc<rustls::ServerConfig>,
    /// What the subjects are given as their only root.
    pub(crate) roots: PathBuf,
}

impl Tls {
    /// Makes an authority, and a certificate for `localhost` by it.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key)?;
        let roots = folder.join("roots.pem");
        std::fs::write(&roots, certificate.pem()).context("the roots could not be written")?;
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(authority, authority_key);
        let server = CertificateParams::new(vec!["localhost".into()])?.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![server.der().clone()], key)?;
        Ok(Self { config: Arc::new(config), roots })
    }

    /// What turns a connection into a secure one.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.config.clone().into()
    }
}
