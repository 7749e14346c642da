//! Connections: how many, for how long, with TLS or without. Each has time limits, so that nobody holds one for ever.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::server::http::{Peer, answer};
use crate::server::serving::Serving;

/// How long the header of a request may take, also of the next one on the same connection.
const HEADER_TIME: Duration = Duration::from_secs(20);
/// How long a connection may take nothing of what is sent.
const WRITE_TIME: Duration = Duration::from_mins(1);
/// How long TLS may take to begin.
const TLS_TIME: Duration = Duration::from_secs(10);
/// The largest header, in bytes.
const HEADER_BYTES: usize = 16 << 10;
/// The most headers.
const HEADERS: usize = 64;

/// What all connections share.
#[derive(Clone, Debug)]
pub struct Door {
    /// What is served.
    pub serving: Arc<Serving>,
    /// How many connections may be open.
    pub room: Arc<Semaphore>,
    /// How many of one address, if it is no trusted proxy.
    pub share: usize,
    /// How many there are, by address.
    pub addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
    /// Where machines are answered; connections are taken elsewhere.
    pub machines: tokio::runtime::Handle,
    /// Each connection holds one; when all are gone, the last has ended.
    pub open: tokio::sync::mpsc::Sender<()>,
}

/// One connection of an address, for as long as it is held.
struct Share {
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

impl Door {
    /// A place for one more connection of an address; none where it has its share.
    fn share(&self, address: IpAddr) -> Option<Share> {
        let address = address.to_canonical();
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(address).or_default();
        *count += 1;
        let is_one_too_many = *count > self.share;
        drop(addresses);
        let share = Share { addresses: Arc::clone(&self.addresses), address };
        let is_proxy = || self.serving.serve.load().trusted_proxies.iter().any(|proxy| proxy.contains(address));
        (!is_one_too_many || is_proxy()).then_some(share)
    }
}

/// Waits until the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Certificates that can be exchanged while they are in use.
pub type Tls = Arc<ArcSwap<ServerConfig>>;

/// Reads a chain of certificates and its key, both PEM.
///
/// # Errors
/// A sentence: which file, and what is wrong with it.
pub fn tls(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| format!("the certificate {}: {error}", certificate.display()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("the key {}: {error}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.with_no_client_auth();
    let config = config.with_single_cert(chain, private);
    let mut config = config.map_err(|error| format!("{} and {}: {error}", certificate.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Takes connections from the network until the server stops.
pub async fn network(door: Door, listener: TcpListener, tls: Option<Tls>) {
    let mut stopping = door.stopping.clone();
    loop {
        // Who finds no room waits in the system's queue.
        let Ok(room) = Arc::clone(&door.room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Most often too many descriptors; those that end make room.
                tracing::error!(%error, "a connection was not taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let Some(share) = door.share(peer.ip()) else { continue };
        let Ok(stream) = stream.into_std() else { continue };
        let (machines, door, tls) = (door.machines.clone(), door.clone(), tls.clone());
        machines.spawn(async move {
            let peer = Peer::Address(peer.ip());
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            match tls {
                None => connection(&door, stream, peer).await,
                Some(tls) => {
                    let accept = TlsAcceptor::from(tls.load_full()).accept(stream);
                    if let Ok(Ok(stream)) = tokio::time::timeout(TLS_TIME, accept).await {
                        connection(&door, stream, peer).await;
                    }
                }
            }
            drop((room, share));
        });
    }
}

/// Takes connections of operators of this machine until the server stops.
pub async fn operators(door: Door, listener: UnixListener) {
    let mut stopping = door.stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        // Who may open the socket is an operator; the system says who it is.
        let Ok(user) = stream.peer_cred().map(|peer| peer.uid()) else { continue };
        let door = door.clone();
        tokio::spawn(async move { connection(&door, stream, Peer::User(user)).await });
    }
}

async fn connection(door: &Door, stream: impl AsyncRead + AsyncWrite + Send, peer: Peer) {
    let serving = Arc::clone(&door.serving);
    serving.metrics.connections.inc();
    let service = service_fn(|request| answer(Arc::clone(&serving), peer, request));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIME));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_headers(HEADERS).max_buf_size(HEADER_BYTES);
    // GRUB looks for `Content-Length` as it stands here, and waits for ever where it is in lower case.
    builder.half_close(true).title_case_headers(true);
    let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = pin!(connection);
    let mut stopping = door.stopping.clone();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
    serving.metrics.connections.dec();
}

/// Makes the operators' socket, for the user of this process and its group.
///
/// # Errors
/// It cannot be made, or another server listens there.
pub fn socket(path: &Path) -> io::Result<UnixListener> {
    // One that is left over from a server that was killed is nobody's.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"));
    }
    crate::write::remove_socket(path)?;
    let listener = UnixListener::bind(path)?;
    crate::write::open_to_group(path)?;
    Ok(listener)
}
