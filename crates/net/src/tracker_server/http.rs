//! HTTP/1.1 for the embedded tracker.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{HttpLimits, Shared};

/// How long to wait when no connection can be accepted, which is for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, limits: HttpLimits) {
    // Dropped with this future, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < limits.connections.max(1) => match accepted {
                Ok((stream, from)) => {
                    let work = connection(stream, from.ip(), Arc::clone(&shared), limits);
                    connections.spawn(async move {
                        // What outlives its time is cut.
                        let _ = tokio::time::timeout(limits.lifetime, work).await;
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, from: IpAddr, shared: Arc<Shared>, limits: HttpLimits) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&shared, from, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    // A connection that breaks is over; there is nobody to tell.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_len.max(8192))
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn respond(shared: &Shared, from: IpAddr, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let reply = shared.lock().http(shared.clock.now(), from, request.method().as_str(), target.as_bytes());
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    response
}
