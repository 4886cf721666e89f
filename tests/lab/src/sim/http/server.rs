//! A port with a service behind it, that can be closed in good order.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::kept::{FAREWELL, MARK};
use super::message::{parse_query, split_database};
use super::{Request, Response};

/// What answers the requests of one port.
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    fn call(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// Opens a port. Where there is no IPv6, `[::]` means all addresses there are.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((host, port)).await {
        Err(error) if host == "::" && error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind(("0.0.0.0", port)).await
        }
        other => other,
    }
}

/// A port that is open; it stays so until it is closed.
#[derive(Debug)]
pub struct Door {
    stop: watch::Sender<bool>,
    idle: mpsc::Receiver<()>,
}

impl Door {
    /// Serves a port until [`Door::close`].
    pub fn open<S: Service>(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        service: Arc<S>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        // Every connection holds a sender, so that the last one to end wakes the receiver.
        let (busy, idle) = mpsc::channel(1);
        tokio::spawn(accept(listener, tls, service, stopped, busy));
        Self { stop, idle }
    }

    /// Closes the port and waits until the requests that came in are answered, for so long at most.
    pub async fn close(mut self, limit: Duration) -> bool {
        self.stop.send_replace(true);
        tokio::time::timeout(limit, self.idle.recv()).await.is_ok()
    }
}

/// Ends when the port is to be closed.
async fn told(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

async fn accept<S: Service>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: Arc<S>,
    stopped: watch::Receiver<bool>,
    busy: mpsc::Sender<()>,
) {
    let mut stop = stopped.clone();
    let welcome = |stream: TcpStream, from: SocketAddr, stopped: watch::Receiver<bool>| {
        tokio::spawn(converse(
            stream,
            from,
            tls.clone(),
            Arc::clone(&service),
            stopped,
            busy.clone(),
        ));
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => welcome(stream, from, stopped.clone()),
                // Out of descriptors: what is open must end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            () = told(&mut stop) => break,
        }
    }
    // Whoever is in the queue when the port closes is served. Nobody is waited for: clients that come again and again would
    // keep it open for ever.
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok((stream, from)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            welcome(stream, from, stopped.clone());
        }
    }
}

async fn converse<S: Service>(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: Arc<S>,
    stopped: watch::Receiver<bool>,
    busy: mpsc::Sender<()>,
) {
    drop(stream.set_nodelay(true));
    match tls {
        None => serve(stream, from, service, stopped).await,
        Some(tls) => {
            let shaken = tokio::time::timeout(Duration::from_secs(10), tls.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                serve(stream, from, service, stopped).await;
            }
        }
    }
    drop(busy);
}

async fn serve<S, I>(
    stream: I,
    from: SocketAddr,
    service: Arc<S>,
    mut stopped: watch::Receiver<bool>,
) where
    S: Service,
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let is_used = Arc::new(AtomicBool::new(false));
    let is_kept = Arc::new(AtomicBool::new(false));
    let (uses, keeps) = (Arc::clone(&is_used), Arc::clone(&is_kept));
    let mut connection = http1::Builder::new().serve_connection(
        TokioIo::new(stream),
        service_fn(move |request: hyper::Request<Incoming>| {
            uses.store(true, Ordering::Relaxed);
            keeps.fetch_or(request.headers().contains_key(MARK), Ordering::Relaxed);
            Box::pin(answer(Arc::clone(&service), request, from))
        }),
    );
    let stop = async move {
        told(&mut stopped).await;
        // One that was opened a moment ago may not have sent its request yet; it is given a
        // moment before it counts as idle.
        if !is_used.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let is_stopped = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => {
            drop(ended);
            false
        }
        () = stop => true,
    };
    if is_stopped {
        Pin::new(&mut connection).graceful_shutdown();
        drop(poll_fn(|context| connection.poll_without_shutdown(context)).await);
    }
    let mut stream = connection.into_parts().io.into_inner();
    if is_stopped && is_kept.load(Ordering::Relaxed) {
        drop(stream.write_all(FAREWELL).await);
    }
    drop(stream.shutdown().await);
}

async fn answer<S: Service>(
    service: Arc<S>,
    request: hyper::Request<Incoming>,
    remote: SocketAddr,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let response = match body.collect().await {
        Ok(body) => {
            let (database, path) = split_database(parts.uri.path());
            service
                .call(Request {
                    method: parts.method.to_string(),
                    path,
                    database,
                    query: parse_query(parts.uri.query().unwrap_or("")),
                    headers: parts.headers,
                    body: body.to_bytes(),
                    remote,
                })
                .await
        }
        Err(error) => Response::error(400, 400, &format!("cannot read the body: {error}")),
    };
    Ok(to_hyper(response))
}

fn to_hyper(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut built = hyper::Response::builder()
        .status(response.status)
        .header("Server", "ArangoDB")
        .header("Content-Type", response.content_type);
    for (name, value) in response.headers {
        built = built.header(name, value);
    }
    built
        .body(Full::new(Bytes::from(response.body)))
        .unwrap_or_else(|_| hyper::Response::new(Full::default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::http::{Call, Target, call};
    use tokio::io::AsyncReadExt as _;

    struct Slow;

    impl Service for Slow {
        async fn call(&self, request: Request) -> Response {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Response::text(200, format!("{} {}", request.database, request.path))
        }
    }

    async fn open() -> (Door, Target) {
        let listener = bind("127.0.0.1", 0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Target::parse(&format!("tcp://127.0.0.1:{port}")).unwrap();
        (Door::open(listener, None, Arc::new(Slow)), target)
    }

    #[tokio::test]
    async fn closing_answers_what_came_in_and_refuses_the_rest() {
        let (door, target) = open().await;
        let asked = tokio::spawn({
            let target = target.clone();
            async move {
                call(Call::new(
                    &target,
                    "GET",
                    "/_db/x/y",
                    Duration::from_secs(5),
                ))
                .await
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(door.close(Duration::from_secs(5)).await, "all answered");
        let reply = asked.await.unwrap().unwrap();
        assert_eq!((reply.status, &reply.body[..]), (200, &b"x /y"[..]));
        let error = call(Call::new(&target, "GET", "/", Duration::from_secs(1)))
            .await
            .unwrap_err();
        assert!(error.was_not_sent(), "{error}");
    }

    #[tokio::test]
    async fn a_stop_says_farewell_to_those_alone_who_have_asked_for_it() {
        for (mark, said) in [("X-Lab-Farewell: yes\r\n", FAREWELL), ("", &b""[..])] {
            let (door, target) = open().await;
            let mut stream = TcpStream::connect((target.host.as_str(), target.port))
                .await
                .unwrap();
            let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{mark}\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = vec![0; 4096];
            let count = stream.read(&mut answer).await.unwrap();
            assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
            // One that was kept does not keep the server.
            assert!(door.close(Duration::from_secs(5)).await, "all answered");
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, said);
        }
    }

    struct Quick;

    impl Service for Quick {
        async fn call(&self, _: Request) -> Response {
            Response::text(200, "ok")
        }
    }

    /// Asks until told to stop; returns how often it was answered. Nothing that was sent may be lost.
    async fn ask_on(target: Target, kept: bool, over: Arc<AtomicBool>) -> u64 {
        let mut answered = 0;
        while !over.load(Ordering::Relaxed) {
            let mut request = Call::new(&target, "POST", "/", Duration::from_secs(5));
            request.kept = kept;
            match call(request).await {
                Ok(reply) => answered += u64::from(reply.status == 200),
                Err(error) => assert!(error.was_not_sent(), "kept: {kept}: {error}"),
            }
            tokio::task::yield_now().await;
        }
        answered
    }

    #[tokio::test]
    async fn no_request_is_lost_while_a_server_comes_and_goes() {
        for kept in [true, false] {
            let listener = bind("127.0.0.1", 0).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let target = Target::parse(&format!("tcp://127.0.0.1:{port}")).unwrap();
            let mut door = Door::open(listener, None, Arc::new(Quick));
            let over = Arc::new(AtomicBool::new(false));
            let clients: Vec<_> = (0..4)
                .map(|_| tokio::spawn(ask_on(target.clone(), kept, Arc::clone(&over))))
                .collect();
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(3)).await;
                assert!(door.close(Duration::from_secs(5)).await);
                let listener = bind("127.0.0.1", port).await.unwrap();
                door = Door::open(listener, None, Arc::new(Quick));
            }
            over.store(true, Ordering::Relaxed);
            for client in clients {
                assert!(client.await.unwrap() > 0);
            }
        }
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_longer_than_it_may() {
        let (door, target) = open().await;
        let asked = tokio::spawn(async move {
            call(Call::new(&target, "GET", "/", Duration::from_secs(5))).await
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!door.close(Duration::from_millis(20)).await);
        drop(asked);
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_not_an_unsent_request() {
        let (_door, target) = open().await;
        let error = call(Call::new(&target, "GET", "/", Duration::from_millis(50)))
            .await
            .unwrap_err();
        assert!(!error.was_not_sent(), "{error}");
    }
}
