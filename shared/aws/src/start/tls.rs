//! Whom this process trusts, and the connections it keeps open.
//!
//! **Rationale.** Mozilla's root certificates are compiled in, as AWS's clients for Python and Node.js bring theirs
//! along: nothing is read or parsed while a function starts. A network that inspects TLS, or a partition of AWS with an
//! authority of its own, adds its roots with `AWS_CA_BUNDLE`.

use std::sync::Arc;
use std::time::Duration;

use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The variable that names a file with more roots.
pub(crate) const BUNDLE: &str = "AWS_CA_BUNDLE";

/// Connections that are kept open from one event to the next.
pub(crate) type Pool<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Why nobody could be trusted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read, or is no PEM.
    #[error("{BUNDLE} must name a PEM file of root certificates: {file}: {why}")]
    Unreadable {
        /// What the variable says.
        file: String,
        /// What the system says.
        why: String,
    },
    /// The file holds nothing that could be trusted.
    #[error("{BUNDLE} must name a PEM file of root certificates: {file} holds none that can be used")]
    Empty {
        /// What the variable says.
        file: String,
    },
    /// ring speaks no version of TLS that rustls calls safe.
    #[error(transparent)]
    Unsupported(#[from] rustls::Error),
}

/// How this process proves who it talks to.
#[derive(Clone, Debug)]
pub struct Tls(ClientConfig);

impl Tls {
    /// Trusts the roots that are compiled in, and those in the PEM file `bundle` if one is named. Certificates in it that
    /// can't be roots are passed over: bundles grow old.
    pub fn new(bundle: Option<&str>) -> Result<Self, TlsError> {
        // ring, named because rustls will not guess: with aws-lc an init takes ten times the CPU (docs/performance.md).
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(bundle)?)
            .with_no_client_auth();
        Ok(Self(config))
    }

    /// An empty pool. Making a connection may take this long, TLS not included.
    pub(crate) fn pool<B>(&self, connect_timeout: Duration) -> Pool<B>
    where
        B: Body + Send,
        B::Data: Send,
    {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_nodelay(true);
        // Whether plain HTTP will do is decided by whoever names the address, not here.
        tcp.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(self.0.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // With the timer, a connection that was idle for long is given up instead of found dead.
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(https)
    }
}

fn roots(bundle: Option<&str>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(file) = bundle else { return Ok(roots) };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|why| TlsError::Unreadable { file: file.into(), why: why.to_string() })?;
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(TlsError::Empty { file: file.into() }),
        _ => Ok(roots),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Empty;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::ServerConfig;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, TrustAnchor};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A file that is gone when the test is.
    struct File(std::path::PathBuf);

    impl File {
        fn holding(name: &str, text: &str) -> Self {
            let file = std::env::temp_dir().join(format!("hookledger-{}-{name}.pem", std::process::id()));
            std::fs::write(&file, text).unwrap();
            Self(file)
        }

        fn name(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// A server on this machine, and as PEM the only certificate that vouches for it: its own.
    async fn server() -> (String, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever does not trust us hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
            }
        });
        (cert.pem(), url)
    }

    async fn reaches(tls: &Tls, url: &str) -> bool {
        let request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
        let answer = tls.pool(Duration::from_secs(1)).request(request).await;
        answer.is_ok_and(|answer| answer.status() == 204)
    }

    #[tokio::test]
    async fn only_a_known_authority_is_believed() {
        let (pem, url) = server().await;
        let (other, _) = server().await;
        let rows = [
            ("none", None, false),
            ("its own", Some(pem.clone()), true),
            ("another's", Some(other.clone()), false),
            ("both", Some(format!("{other}{pem}")), true),
        ];
        for (what, bundle, expected) in rows {
            let file = bundle.map(|bundle| File::holding("bundle", &bundle));
            let tls = Tls::new(file.as_ref().map(File::name)).unwrap();
            assert_eq!(reaches(&tls, &url).await, expected, "roots given: {what}");
        }
    }

    #[tokio::test]
    async fn a_bundle_adds_to_what_is_compiled_in() {
        let compiled_in = roots(None).unwrap();
        let amazons = |root: &&TrustAnchor| String::from_utf8_lossy(&root.subject).contains("Amazon Root CA");
        assert_eq!(compiled_in.roots.iter().filter(amazons).count(), 4);
        let (pem, _) = server().await;
        let file = File::holding("more", &pem);
        let all = roots(Some(file.name())).unwrap();
        assert_eq!(all.roots.get(..compiled_in.len()), Some(&compiled_in.roots[..]));
        assert_eq!(all.len(), compiled_in.len() + 1);
    }

    #[tokio::test]
    async fn what_cannot_be_a_root_is_passed_over() {
        let (pem, _) = server().await;
        let old = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let file = File::holding("old", &format!("# of last year\n{old}{pem}"));
        assert!(Tls::new(Some(file.name())).is_ok());
        let file = File::holding("older", old);
        assert!(matches!(Tls::new(Some(file.name())), Err(TlsError::Empty { .. })));
    }

    #[test]
    fn a_bundle_that_is_none_is_named() {
        let file = File::holding("note", "our roots are in the other folder");
        let rows = [(file.name(), "holds none that can be used"), ("/no/such/roots.pem", "No such file")];
        for (file, why) in rows {
            let error = Tls::new(Some(file)).unwrap_err().to_string();
            assert!(error.starts_with("AWS_CA_BUNDLE must name a PEM file of root certificates: "), "{error}");
            assert!(error.contains(file) && error.contains(why), "{error}");
        }
    }
}
