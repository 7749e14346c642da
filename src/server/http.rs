//! HTTP as the routes never see it: hyper's requests to ours, our answers to hyper's, the limits of both.

use std::convert::Infallible;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use crate::inventory::address::HardwareAddress;
use crate::server::access::client_address;
use crate::server::admission::{Class, Permit};
use crate::server::answer::{Answer, Body};
use crate::server::request::{Client, Method, Request, pairs, parts};
use crate::server::route::{self, Route};
use crate::server::serving::Serving;

/// The largest body that is taken, in bytes.
const LARGEST_BODY: usize = 1 << 20;
/// The longest path and query, in bytes.
const LONGEST_TARGET: usize = 2048;
/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How much of a file is read at a time.
const PIECE: u64 = 64 << 10;
/// How many headers tell of ports of a machine, at most.
const PORTS: usize = 32;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// A socket of the network.
    Address(IpAddr),
    /// The operators' socket, used by this user.
    User(u32),
}

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Answers one request.
///
/// # Errors
/// Never: what goes wrong is an answer too.
pub async fn answer(
    serving: Arc<Serving>,
    peer: Peer,
    incoming: hyper::Request<Incoming>,
) -> Result<Response<Sent>, Infallible> {
    let started = tokio::time::Instant::now();
    let id = NUMBER.fetch_add(1, Ordering::Relaxed);
    let (head, body) = incoming.into_parts();
    let (route, answer, permit) = match request(&serving, peer, &head, id) {
        Err(refusal) => ("unknown", refusal, None),
        Ok(request) => admitted(&serving, request, body).await,
    };
    serving.metrics.answered(route, answer.status);
    if let Some(cause) = &answer.cause
        && serving.may_tell()
    {
        tracing::error!(
            path = head.uri.path(),
            request = format!("{id:x}"),
            "a request could not be answered: {cause}"
        );
    }
    serving.metrics.seconds.observe(started.elapsed().as_secs_f64());
    tracing::debug!(method = %head.method, path = head.uri.path(), status = answer.status, request = format!("{id:x}"), "answered");
    Ok(response(answer, id, head.method == hyper::Method::HEAD, permit))
}

async fn admitted(serving: &Serving, mut request: Request, body: Incoming) -> (&'static str, Answer, Option<Permit>) {
    let path = request.parts();
    let route = Route::of(&path);
    // What cannot be answered needs no place, and nobody waits for its body.
    if let Some(refusal) = route::refused_early(serving, &request, &path) {
        return (route.word(), refusal, None);
    }
    // Operators are let in always: they have to see what is going on.
    let class = route.class().filter(|class| *class != Class::Operator || !serving.is_operator(&request));
    let permit = match class {
        None => None,
        Some(class) => match serving.admission.line(class).admit(request.client.address()).await {
            Ok(permit) => Some(permit),
            Err(busy) => {
                serving.metrics.deferred(class);
                return (route.word(), route::busy(&request, busy), None);
            }
        },
    };
    if route::takes_body(request.method, &path) {
        match whole(body).await {
            Ok(bytes) => request.body = bytes,
            Err(refusal) => return (route.word(), refusal, permit),
        }
    }
    let answer = route::answer(serving, &request).await;
    (route.word(), answer, permit)
}

/// All of a body.
async fn whole(mut body: Incoming) -> Result<Vec<u8>, Answer> {
    if body.is_end_stream() {
        return Ok(Vec::new());
    }
    let read = async {
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let frame = frame.map_err(|_| Answer::refusal(400, "the body breaks off"))?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > LARGEST_BODY {
                    return Err(Answer::refusal(413, "the body is too large").with("connection", "close"));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes)
    };
    let late = || Answer::refusal(408, "the body does not come").with("connection", "close");
    tokio::time::timeout(BODY_TIME, read).await.unwrap_or_else(|_| Err(late()))
}

/// A request, or why it is none.
fn request(serving: &Serving, peer: Peer, head: &hyper::http::request::Parts, id: u64) -> Result<Request, Answer> {
    let method = match head.method {
        hyper::Method::GET => Method::Get { head: false },
        hyper::Method::HEAD => Method::Get { head: true },
        hyper::Method::POST => Method::Post,
        hyper::Method::DELETE => Method::Delete,
        _ => Method::Other,
    };
    if head.uri.path_and_query().is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
        return Err(Answer::refusal(414, "the address is too long"));
    }
    let path = parts(head.uri.path()).ok_or_else(|| Answer::refusal(400, "there is no such path"))?;
    let query = pairs(head.uri.query().unwrap_or_default());
    let query = query.ok_or_else(|| Answer::refusal(400, "this is no query"))?;
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = text(header::AUTHORIZATION);
    let client = match peer {
        Peer::User(user) => Client::Socket(user),
        Peer::Address(address) => {
            // What is no text is no address either, and ends the way back.
            let forwarded = head.headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or("?"));
            let forwarded: Vec<&str> = forwarded.collect();
            Client::Address(client_address(address, &forwarded, &serving.serve.load().trusted_proxies))
        }
    };
    Ok(Request {
        method,
        path,
        query,
        client,
        bearer: bearer.and_then(|value| Some(value.strip_prefix("Bearer ")?.trim().to_owned())),
        addresses: addresses(&head.headers),
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        if_none_match: text(header::IF_NONE_MATCH),
        body: Vec::new(),
        id,
    })
}

/// What Anaconda tells of its ports with `inst.ks.sendmac`: `X-RHN-Provisioning-MAC-0: eth0 52:54:00:..`.
fn addresses(headers: &HeaderMap) -> Vec<HardwareAddress> {
    // Most clients are no installers, and pay nothing for this.
    if headers.len() < 2 || !headers.contains_key("x-rhn-provisioning-mac-0") {
        return Vec::new();
    }
    let values = (0..PORTS).map_while(|number| headers.get(format!("x-rhn-provisioning-mac-{number}")));
    let last = |value: &HeaderValue| value.to_str().ok()?.split_whitespace().last().map(str::to_owned);
    values.filter_map(last).filter_map(|address| HardwareAddress::parse(&address).ok()).collect()
}

fn response(answer: Answer, id: u64, is_head: bool, permit: Option<Permit>) -> Response<Sent> {
    let length = route::length(&answer);
    let mut response = Response::new(Sent { rest: Rest::new(answer.body, is_head), length, _permit: permit });
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if answer.status >= 400 {
        // What people tell us when they ask why.
        if let Ok(value) = HeaderValue::from_str(&format!("{id:x}")) {
            headers.insert("x-request-id", value);
        }
    }
    if is_head {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// A body on its way. The place in its class is free when it is gone.
#[derive(Debug)]
pub struct Sent {
    rest: Rest,
    /// What is left of it, in bytes.
    length: u64,
    _permit: Option<Permit>,
}

#[derive(Debug)]
enum Rest {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<std::io::Result<Bytes>>),
}

impl Rest {
    fn new(body: Body, is_head: bool) -> Self {
        match body {
            _ if is_head => Self::Whole(None),
            Body::Whole(bytes) => Self::Whole(Some(bytes)),
            Body::File { file, start, length } => {
                let (sender, pieces) = mpsc::channel(2);
                tokio::task::spawn_blocking(move || read(&file, start..start + length, &sender));
                Self::Pieces(pieces)
            }
        }
    }
}

/// Reads a part of a file as fast as it is sent.
fn read(file: &std::fs::File, range: std::ops::Range<u64>, pieces: &mpsc::Sender<std::io::Result<Bytes>>) {
    let mut at = range.start;
    while at < range.end {
        let size = usize::try_from(PIECE.min(range.end - at)).unwrap_or_default();
        let mut piece = BytesMut::zeroed(size);
        let read = file.read_exact_at(&mut piece, at).map(|()| piece.freeze());
        let is_end = read.is_err();
        at += size as u64;
        // Who went away needs no more. A file that became shorter ends the connection: nobody takes it for whole.
        if pieces.blocking_send(read).is_err() || is_end {
            return;
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let next = match &mut self.rest {
            Rest::Whole(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok)),
            Rest::Pieces(pieces) => pieces.poll_recv(context),
        };
        next.map(|next| {
            next.map(|piece| {
                piece.map(|piece| {
                    self.length = self.length.saturating_sub(piece.len() as u64);
                    Frame::data(piece)
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.rest {
            Rest::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Rest::Pieces(_) => self.length == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Rest::Whole(None) => SizeHint::with_exact(0),
            _ => SizeHint::with_exact(self.length),
        }
    }
}
