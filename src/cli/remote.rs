//! A running server, asked by its socket or over the network.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::cli::args::server::Remote;
use crate::cli::session::Failure;

/// Where the socket is, if nobody says.
const SOCKETS: [&str; 2] = ["/run/kgen/kgen.sock", "/var/lib/kgen/kgen.sock"];
/// Holds the bearer token of an operator.
const TOKEN: &str = "KGEN_TOKEN";

/// Asks a server, and gives what it answers as JSON.
///
/// # Errors
/// There is none; it refuses, and then its sentence is the error.
pub fn ask(
    remote: &Remote,
    method: &str,
    path: &str,
    body: Option<&serde_json::Value>,
) -> Result<serde_json::Value, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::World(format!("no threads: {error}")))?;
    let (status, bytes) = runtime.block_on(exchange(remote, (method, path), body))?;
    let text = String::from_utf8_lossy(&bytes);
    match status {
        200 => serde_json::from_slice(&bytes)
            .map_err(|_| Failure::World(format!("the server answers what is no JSON: {}", text.trim()))),
        400 | 404 => Err(Failure::Usage(text.trim().to_owned())),
        // Most often a revision that is broken.
        409 => {
            let _ = writeln!(std::io::stderr(), "error: {}", text.trim());
            Err(Failure::Faults)
        }
        401 => Err(Failure::World(format!("the server says: {}; {TOKEN} holds no operator's token", text.trim()))),
        status => Err(Failure::World(format!("the server says {status}: {}", text.trim()))),
    }
}

async fn exchange(
    remote: &Remote,
    (method, path): (&str, &str),
    body: Option<&serde_json::Value>,
) -> Result<(u16, Vec<u8>), Failure> {
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let mut request = hyper::Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
    let Some(server) = &remote.server else {
        let path = socket(remote)?;
        let stream = UnixStream::connect(&path).await;
        let stream = stream.map_err(|error| Failure::World(format!("no server at {}: {error}", path.display())))?;
        return send(stream, request.header(HOST, "kgen"), bytes).await;
    };
    if let Ok(token) = std::env::var(TOKEN) {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.trim()));
    }
    let (is_tls, authority) = match (server.strip_prefix("http://"), server.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest.trim_end_matches('/')),
        (_, Some(rest)) => (true, rest.trim_end_matches('/')),
        _ => return Err(Failure::Usage(format!("`{server}` is no URL such as `http://10.1.1.1:8080`"))),
    };
    let request = request.header(HOST, authority);
    let usual = if is_tls { 443 } else { 80 };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if has_port { authority.to_owned() } else { format!("{authority}:{usual}") };
    let world = |error: &dyn std::fmt::Display| Failure::World(format!("no server at {server}: {error}"));
    let stream = TcpStream::connect(&place).await.map_err(|error| world(&error))?;
    if !is_tls {
        return send(stream, request, bytes).await;
    }
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusted(remote.ca.as_deref())?));
    let name = place.rsplit_once(':').map_or(place.as_str(), |(name, _)| name).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(|error| world(&error))?;
    let stream = connector.connect(name, stream).await.map_err(|error| world(&error))?;
    send(stream, request, bytes).await
}

fn socket(remote: &Remote) -> Result<PathBuf, Failure> {
    if let Some(path) = &remote.socket {
        return Ok(path.clone());
    }
    let found = SOCKETS.iter().map(PathBuf::from).find(|path| path.exists());
    found.ok_or_else(|| {
        Failure::World(format!("there is no server at {}; name its --socket, or --server URL", SOCKETS.join(" or ")))
    })
}

/// The authorities that are trusted: those of a file.
fn trusted(ca: Option<&Path>) -> Result<ClientConfig, Failure> {
    let Some(path) = ca else {
        return Err(Failure::Usage("https needs --ca FILE: the certificates that are trusted, PEM".to_owned()));
    };
    let fail = |error: &dyn std::fmt::Display| Failure::World(format!("the certificates {}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fail(&error))? {
        roots.add(certificate.map_err(|error| fail(&error))?).map_err(|error| fail(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| fail(&error))?.with_root_certificates(roots).with_no_client_auth())
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: hyper::http::request::Builder,
    bytes: Vec<u8>,
) -> Result<(u16, Vec<u8>), Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::World(format!("the server does not answer: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| fail(&error))?;
    tokio::spawn(connection);
    let request = request.body(Once(Some(bytes.into()))).map_err(|error| fail(&error))?;
    let response = sender.send_request(request).await.map_err(|error| fail(&error))?;
    let status = response.status().as_u16();
    Ok((status, whole(response.into_body()).await.map_err(|error| fail(&error))?))
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// A body that is sent whole.
struct Once(Option<Bytes>);

impl Body for Once {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
