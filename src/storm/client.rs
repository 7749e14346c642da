//! One question to a server over a connection of its own, as firmware and installers ask.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, UnixStream};
use tokio::time::{Duration, timeout};

/// How long an answer may take.
const TIME: Duration = Duration::from_mins(1);
/// How much of an answer is kept, in bytes; more of it is counted.
const MOST_KEPT: usize = 4 << 20;

/// A server.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address and port.
    pub address: SocketAddr,
    /// The same as it stands in URLs.
    pub authority: String,
    /// The beginnings of URLs that are this server's, without a slash at the end.
    pub ours: Vec<String>,
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// GET or POST.
    pub method: &'static str,
    /// The path and the query.
    pub path: &'q str,
    /// What is sent with it.
    pub body: &'q str,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// After how many seconds it may be asked again.
    pub retry_after: Option<u64>,
    /// What was sent, or the beginning of it.
    pub kept: Vec<u8>,
    /// How much was sent.
    pub bytes: u64,
}

/// Finds the server of a URL.
///
/// # Errors
/// A sentence: it is none, or has no address.
pub fn target(url: &str, mut ours: Vec<String>) -> Result<Target, String> {
    let url = url.trim_end_matches('/');
    let authority = url.strip_prefix("http://").filter(|rest| !rest.contains('/'));
    let authority = authority.ok_or_else(|| format!("`{url}` is not a URL such as `http://10.1.1.1:8080`"))?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let found = std::net::ToSocketAddrs::to_socket_addrs(&place).map_err(|error| format!("{place}: {error}"))?;
    let address = found.into_iter().next().ok_or_else(|| format!("{place} has no address"))?;
    ours.push(url.to_owned());
    Ok(Target { address, authority: authority.to_owned(), ours })
}

/// Asks from an address, or through us for that address.
///
/// # Errors
/// A few words: there is no whole answer.
pub async fn ask(
    target: &Target,
    from: IpAddr,
    forwarded: bool,
    question: Question<'_>,
) -> Result<Answer, &'static str> {
    let exchange = async {
        let socket = if target.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(|_| "no socket")?;
        if !forwarded {
            socket.bind(SocketAddr::new(from, 0)).map_err(|_| "its address cannot be used")?;
        }
        let stream = socket.connect(target.address).await.map_err(|_| "no connection")?;
        let _ = stream.set_nodelay(true);
        let mut request = Request::builder().header(HOST, &target.authority);
        if forwarded {
            request = request.header("x-forwarded-for", from.to_string());
        }
        exchange(stream, request, question).await
    };
    timeout(TIME, exchange).await.unwrap_or(Err("no answer in a minute"))
}

/// Asks through the socket of operators.
///
/// # Errors
/// A few words: there is no whole answer.
pub async fn ask_socket(socket: &Path, question: Question<'_>) -> Result<Answer, &'static str> {
    let exchange = async {
        let stream = UnixStream::connect(socket).await.map_err(|_| "no connection")?;
        exchange(stream, Request::builder().header(HOST, "kgen"), question).await
    };
    timeout(TIME, exchange).await.unwrap_or(Err("no answer in a minute"))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: hyper::http::request::Builder,
    question: Question<'_>,
) -> Result<Answer, &'static str> {
    let opened = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(|_| "no connection")?;
    tokio::spawn(connection);
    let request = request.method(question.method).uri(question.path).header(CONTENT_TYPE, "text/plain");
    let request = request.body(question.body.to_owned()).map_err(|_| "a path that cannot be asked for")?;
    let response = sender.send_request(request).await.map_err(|_| "the connection broke off")?;
    read(response).await.map_err(|_| "the answer broke off")
}

async fn read(response: Response<Incoming>) -> Result<Answer, hyper::Error> {
    let status = response.status().as_u16();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut answer = Answer { status, retry_after: seconds, kept: Vec::new(), bytes: 0 };
    let mut body = response.into_body();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let data: Bytes = frame?.into_data().unwrap_or_default();
        answer.bytes += data.len() as u64;
        if answer.kept.len() + data.len() <= MOST_KEPT {
            answer.kept.extend_from_slice(&data);
        }
    }
    Ok(answer)
}
