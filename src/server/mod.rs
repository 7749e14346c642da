//! `kgen serve`: machines get their scripts and kickstarts from one checked generation, operators see and order.
//!
//! A request comes in by [`listen`] and [`http`], which alone know HTTP; [`route`] says whose it is, and one file for
//! each family of routes answers it: [`kickstart`], [`script`], [`tree`], [`api`], [`page`]. Who gets what is
//! [`access`]; what is served is [`snapshot`], which [`follow`] exchanges as a whole;
//! [`making`] makes it, and [`start`] says what is served first.

pub mod access;
pub mod admission;
pub mod answer;
pub mod api;
pub mod follow;
pub mod http;
pub mod kickstart;
pub mod listen;
pub mod making;
pub mod metrics;
pub mod orders;
pub mod page;
pub mod request;
pub mod route;
pub mod script;
pub mod serving;
pub mod snapshot;
pub mod start;
pub mod taken;
pub mod tree;
pub mod view;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::inventory::serve::Serve;
use crate::server::admission::{Admission, Class};
use crate::server::follow::{Follower, Waiting};
use crate::server::listen::{Door, Tls};
use crate::server::making::Making;
use crate::server::metrics::Metrics;
use crate::server::serving::{Order, Serving, TOLD_REFUSALS, limits};
use crate::server::snapshot::Served;
use crate::server::start::{Kept, TRYING, first, tell_silent, watch as watch_directory};
use crate::server::taken::{How, guards, in_force, take, tell_waiting, upgrade};
use crate::source::fetch;
use crate::source::revision::Origin;
use crate::store::Store;
use crate::store::kept::StoreError;

/// How long requests that are being answered may take when the server stops.
const DRAIN: Duration = Duration::from_secs(30);
/// How often it is told how many were deferred.
const TELL: Duration = Duration::from_secs(10);
/// How many connections wait in the system's queue until they are taken; it may allow fewer (`net.core.somaxconn`).
const QUEUE: u32 = 65_535;
/// Descriptors that are no connections: the state, files, the source.
const OWN_DESCRIPTORS: usize = 256;

/// What a server is started with.
#[derive(Debug)]
pub struct Options {
    /// What generations are made with.
    pub making: Making,
    /// The directory of the state.
    pub state: PathBuf,
    /// The operators' socket.
    pub socket: PathBuf,
    /// The most open connections.
    pub connections: usize,
    /// Whether the source is followed even if a revision was held.
    pub follow: bool,
}

/// Why a server does not start, or ends.
#[derive(Debug)]
pub enum Stopped {
    /// There is nothing to serve: the report of the revision.
    Broken(String),
    /// The world does not let us.
    World(String),
}

/// Serves until it is told to stop.
///
/// # Errors
/// It cannot start.
pub fn serve(options: Options) -> Result<(), Stopped> {
    // One processor is left to those who open connections, to operators and to what compiles. A thread reads each file
    // that is sent.
    let workers = std::thread::available_parallelism().map_or(1, |all| all.get().saturating_sub(1).max(1));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(workers).max_blocking_threads(4096).enable_all().build();
    let runtime = runtime.map_err(|error| Stopped::World(format!("no threads: {error}")))?;
    // Who opens connections and operators of this machine have a thread of their own: behind ten thousand machines
    // operators waited for seconds, and so few connections were taken that the system turned others away.
    let front = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let front = front.map_err(|error| Stopped::World(format!("no threads: {error}")))?;
    let ended = runtime.block_on(run(options, front.handle()));
    // A fetch that hangs is no reason to go on.
    fetch::stop();
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

/// What a server has when it begins to listen.
struct Ready {
    serving: Arc<Serving>,
    making: Arc<Making>,
    orders: mpsc::Receiver<(Order, Waiting)>,
    listeners: Vec<(TcpListener, bool)>,
    tls: Option<Tls>,
    /// Says that it stops.
    stop: watch::Sender<bool>,
}

/// Opens the state, makes the first generation, takes the sockets.
async fn ready(options: &Options, front: &tokio::runtime::Handle) -> Result<Ready, Stopped> {
    let world = |error: String| Stopped::World(error);
    let making = Arc::new(options.making.clone());
    let usual = making.overrides.over(None);
    let store = Store::open(&options.state, limits(&usual), usual.events).map_err(|error| world(error.to_string()))?;
    let keep = |error: StoreError| world(error.to_string());
    if options.follow {
        store.set("held", None).await.map_err(keep)?;
    }
    if store.is_copy() {
        tracing::warn!("the state is a copy: what was ordered in it has ended, and its tokens are dropped");
    }
    making.keeps_reports.store(guards(&store).is_some_and(|guards| guards.report), Ordering::Relaxed);
    let (maker, kept) = (Arc::clone(&making), Kept::read(&store));
    let made = tokio::task::spawn_blocking(move || first(&maker, &kept));
    let snapshot = made.await.map_err(|error| world(error.to_string()))?;
    let mut snapshot = snapshot.map_err(|broken| Stopped::Broken(broken.report))?;
    let current = snapshot.current.clone();
    let mut settings = usual;
    if let Some(served) = current.as_deref() {
        upgrade(&store, &making, served).await.map_err(keep)?;
        // What stands in for a revision that is broken, or cannot be fetched, is not compared with the next.
        let stands_in = snapshot.held.is_some() || snapshot.broken.is_some();
        let how = if stands_in { How::Held } else { How::Followed };
        take(&store, &making, served, how).await.map_err(keep)?;
        let in_force = in_force(&store, &making, served);
        (settings, snapshot.pending) = (in_force.serve, in_force.pending);
        tell_start_of(&store, &making, served, &snapshot.pending);
    }
    store.bound(limits(&settings), settings.events).await;
    let listeners = {
        let _entered = front.enter();
        listeners(&settings).map_err(world)?
    };
    let tls = certificates(&settings, &making.directory).map_err(world)?;
    let (sender, orders) = mpsc::channel(64);
    let (stop, stopping) = watch::channel(false);
    let serving = Arc::new(Serving {
        admission: Admission::new(&settings),
        serve: ArcSwap::from_pointee(settings),
        snapshot: ArcSwap::from_pointee(snapshot),
        store,
        stopping,
        metrics: Metrics::default(),
        refused: AtomicU64::new(0),
        reports: Mutex::default(),
        directory: making.directory.clone(),
        orders: sender,
    });
    Ok(Ready { serving, making, orders, listeners, tls, stop })
}

async fn run(options: Options, front: &tokio::runtime::Handle) -> Result<(), Stopped> {
    let Ready { serving, making, orders, listeners, tls, stop } = ready(&options, front).await?;
    let socket = {
        let _entered = front.enter();
        listen::socket(&options.socket)
    };
    let no_socket = |error| Stopped::World(format!("cannot listen at {}: {error}", options.socket.display()));
    let socket = socket.map_err(no_socket)?;
    tell_start(&serving, &listeners, &options.socket);
    let room = connections(options.connections);
    let stopping = serving.stopping.clone();
    let (open, mut last) = mpsc::channel(1);
    let door = Door {
        serving: Arc::clone(&serving),
        room: Arc::new(Semaphore::new(room)),
        // One address leaves room for others.
        share: (room / 4).max(16),
        addresses: Arc::default(),
        stopping,
        open,
        machines: tokio::runtime::Handle::current(),
    };
    start(&door, front, listeners, tls.as_ref());
    front.spawn(listen::operators(door.clone(), socket));
    drop(door);
    let (_watcher, changed) = watched(&making, &options.state);
    tokio::spawn(Follower { making: Arc::clone(&making), serving: Arc::clone(&serving) }.follow(orders, changed));
    tokio::spawn(tell_deferred(Arc::clone(&serving)));
    tokio::spawn(keep_sighted(Arc::clone(&serving)));
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    wait_for_the_end(&serving, &making, tls.as_ref()).await.map_err(Stopped::World)?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping; what is being answered is answered");
    let _ = stop.send(true);
    // A revision that is being compiled now did not end the server.
    let _ = serving.store.set(TRYING, None).await;
    if tokio::time::timeout(DRAIN, last.recv()).await.is_err() {
        tracing::warn!("some requests took too long and were broken off");
    }
    serving.store.close().await;
    Ok(())
}

/// Tells what a start means for machines.
fn tell_start_of(store: &Store, making: &Making, served: &Served, pending: &[String]) {
    making.keeps_reports.store(guards(store).is_some_and(|guards| guards.report), Ordering::Relaxed);
    tell_silent(served);
    tell_waiting(store, served);
    for sentence in pending {
        tracing::warn!("not in force until `kgen revision accept`: {sentence}");
    }
}

fn start(door: &Door, front: &tokio::runtime::Handle, listeners: Vec<(TcpListener, bool)>, tls: Option<&Tls>) {
    for (listener, is_tls) in listeners {
        front.spawn(listen::network(door.clone(), listener, tls.filter(|_| is_tls).cloned()));
    }
}

fn tell_start(serving: &Serving, listeners: &[(TcpListener, bool)], socket: &Path) {
    let snapshot = serving.snapshot.load();
    if let Some(broken) = &snapshot.broken {
        serving.metrics.broken.inc();
        tracing::error!(revision = broken.revision, "{}:\n{}", broken.sentence(), broken.report);
    }
    let Some(current) = &snapshot.current else { return };
    let hosts = current.generation().inventory.hosts.len();
    for (listener, is_tls) in listeners {
        let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
        let scheme = if *is_tls { "https" } else { "http" };
        tracing::info!(generation = current.id(), hosts, "serving at {scheme}://{address}");
    }
    tracing::info!("operators at {}", socket.display());
}

/// Waits for SIGTERM or SIGINT; SIGHUP looks at the source and the certificates.
async fn wait_for_the_end(serving: &Arc<Serving>, making: &Making, tls: Option<&Tls>) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("no signals: {error}"));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hangup = listen(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = hangup.recv() => {
                reload_certificates(serving, making, tls);
                // What is wrong with the newest revision is told where it is found.
                let serving = Arc::clone(serving);
                tokio::spawn(async move { serving.order(Order::Refresh).await });
            }
        }
    }
}

fn reload_certificates(serving: &Serving, making: &Making, tls: Option<&Tls>) {
    let settings = serving.serve.load();
    let (Some(held), Some((certificate, key, _))) = (tls, &settings.tls) else { return };
    match listen::tls(&making.directory.join(certificate), &making.directory.join(key)) {
        Ok(config) => {
            held.store(config);
            tracing::info!("certificates are read again");
        }
        Err(fault) => tracing::error!("the certificates stay what they were: {fault}"),
    }
}

fn certificates(settings: &Serve, directory: &Path) -> Result<Option<Tls>, String> {
    let Some((certificate, key, _)) = &settings.tls else { return Ok(None) };
    let config = listen::tls(&directory.join(certificate), &directory.join(key))?;
    Ok(Some(Arc::new(ArcSwap::new(config))))
}

/// The sockets that systemd holds for us, else those of the settings; each with whether it speaks TLS.
fn listeners(settings: &Serve) -> Result<Vec<(TcpListener, bool)>, String> {
    let mut inherited = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..inherited.len() {
        let fail = |error: std::io::Error| format!("the socket {index} that was handed over: {error}");
        let Some(listener) = inherited.take_tcp_listener(index).map_err(fail)? else { continue };
        listener.set_nonblocking(true).map_err(fail)?;
        let listener = TcpListener::from_std(listener).map_err(fail)?;
        let port = listener.local_addr().map_err(fail)?.port();
        let is_tls = port == 443 || settings.listen_tls.iter().any(|address| address.port() == port);
        if is_tls && settings.tls.is_none() {
            return Err(format!("the socket of port {port} needs TLS: a `certificate` and a `key` in [serve]"));
        }
        listeners.push((listener, is_tls));
    }
    if !listeners.is_empty() {
        return Ok(listeners);
    }
    let plain = settings.listen.iter().map(|address| (*address, false));
    for (address, is_tls) in plain.chain(settings.listen_tls.iter().map(|address| (*address, true))) {
        listeners.push((bind(address)?, is_tls));
    }
    Ok(listeners)
}

fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let listener = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(QUEUE)
    });
    listener.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "; a port below 1024 needs systemd's socket, or root",
            std::io::ErrorKind::AddrInUse => "; another program listens there",
            _ => "",
        };
        format!("cannot listen at {address}: {error}{hint}")
    })
}

/// How many connections there is room for: as many as are wanted, if the system gives as many descriptors. A file that
/// is sent has one more.
fn connections(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // What the process may give itself it is not given by default.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let descriptors =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
    let possible = descriptors.saturating_sub(OWN_DESCRIPTORS) / 2;
    if possible < wanted {
        tracing::warn!(
            descriptors,
            "there is room for {possible} connections and not for {wanted}; raise the limit of descriptors (LimitNOFILE)"
        );
    }
    wanted.min(possible).max(16)
}

/// Tells of changes, where the source is a directory.
fn watched(making: &Making, state: &Path) -> (Option<notify::RecommendedWatcher>, mpsc::Receiver<()>) {
    // Nobody sends anything where nothing is watched.
    let none = || (None, mpsc::channel(1).1);
    let Origin::Directory(file) = &making.origin else { return none() };
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let except = state.canonicalize().unwrap_or_else(|_| state.to_path_buf());
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
    match watch_directory(&directory, &except) {
        Ok((watcher, changed)) => (Some(watcher), changed),
        Err(fault) => {
            tracing::warn!("changes are seen at intervals only: {fault}");
            none()
        }
    }
}

/// Keeps who was sighted, a second later at most.
async fn keep_sighted(serving: Arc<Serving>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        serving.store.write_sighted();
        serving.store.idle();
    }
}

/// Says once in a while how many were told to come again, and how many refusals were not told.
async fn tell_deferred(serving: Arc<Serving>) {
    loop {
        tokio::time::sleep(TELL).await;
        serving.reports.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let refused = serving.refused.swap(0, Ordering::Relaxed);
        if refused > TOLD_REFUSALS {
            tracing::warn!("{} more refusals and failures in {TELL:?}", refused - TOLD_REFUSALS);
        }
        for class in Class::ALL {
            let line = serving.admission.line(class);
            let count = line.deferred.swap(0, Ordering::Relaxed);
            if count > 0 {
                let (active, waiting) = line.load();
                let class = class.word();
                tracing::warn!(class, count, active, waiting, "requests were told to come again in {TELL:?}");
            }
        }
    }
}
