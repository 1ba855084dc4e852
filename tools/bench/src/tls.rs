//! A certificate of our own, so that the functions' TLS is measured and not switched off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// Where Linux distributions keep whom they trust; Lambda's own keeps it in the last.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A server's certificate, and the files that say whom to trust for it.
pub(crate) struct Tls {
    config: Arc<rustls::ServerConfig>,
    /// Our authority alone.
    pub(crate) authority: PathBuf,
    /// Our authority and all that this machine trusts: as many as a function on Lambda reads.
    pub(crate) roots: PathBuf,
}

impl Tls {
    /// Makes an authority, and a certificate for `localhost` by it.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        // A name of its own: OpenSSL takes a certificate whose issuer has its name for one that signed itself.
        authority.distinguished_name.push(DnType::CommonName, "bench");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key)?;
        let machine = BUNDLES.iter().find_map(|bundle| std::fs::read_to_string(bundle).ok()).unwrap_or_default();
        let files = [("authority.pem", certificate.pem()), ("roots.pem", format!("{}\n{machine}", certificate.pem()))];
        let [authority_file, roots] = files.each_ref().map(|(name, _)| folder.join(name));
        for (name, text) in files {
            std::fs::write(folder.join(name), text).with_context(|| format!("{name} can't be written"))?;
        }
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(authority, authority_key);
        let server = CertificateParams::new(vec!["localhost".into()])?.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![server.der().clone()], key)?;
        Ok(Self { config: Arc::new(config), authority: authority_file, roots })
    }

    /// What turns a connection into a secure one.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.config.clone().into()
    }
}
