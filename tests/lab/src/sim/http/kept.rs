//! Connections that are kept open for the next request to the same server.
//!
//! A server that closes an idle connection may meet a request that is on its way. Of a server of this house the client
//! knows for certain that it has not looked at such a request: it says farewell with `408 Request Timeout`, which is what
//! RFC 9110 (15.5.9) has it for, on every connection whose client has asked for it by `MARK`. The request is then made
//! again over a new connection, and means what it would have meant without the old one. A connection that ends without
//! farewell was cut, and a request on it may have been carried out: nobody repeats that.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Target;
use super::client::{Reply, Sender};

/// The header by which a client asks for the farewell.
pub(super) const MARK: &str = "X-Lab-Farewell";

/// What a server says on a connection that it closes, to whatever may be on its way.
pub(super) const FAREWELL: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nX-Lab-Farewell: yes\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A connection that nobody uses.
#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

/// After a rush as many stay open to each server, and those that are not needed for so long do not.
const MOST: usize = 16;
const LONGEST: Duration = Duration::from_secs(5);

type Connections = BTreeMap<Target, Vec<Idle>>;

fn idle() -> MutexGuard<'static, Connections> {
    static IDLE: Mutex<Connections> = Mutex::new(BTreeMap::new());
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a connection to a server that is open and idle, the one that was used last.
pub(super) fn take(target: &Target) -> Option<Sender> {
    let mut idle = idle();
    let own = idle.get_mut(target)?;
    while let Some(Idle { sender, since }) = own.pop() {
        if !sender.is_closed() && since.elapsed() < LONGEST {
            return Some(sender);
        }
    }
    None
}

/// Keeps a connection for the next request.
pub(super) fn give(target: &Target, sender: Sender) {
    if sender.is_closed() {
        return;
    }
    let mut idle = idle();
    if !idle.contains_key(target) {
        idle.insert(target.clone(), Vec::new());
    }
    let Some(own) = idle.get_mut(target) else {
        return;
    };
    own.retain(|one| one.since.elapsed() < LONGEST);
    if own.len() < MOST {
        let since = Instant::now();
        own.push(Idle { sender, since });
    }
}

/// Tells whether a server has closed the connection instead of answering.
pub(super) fn is_farewell(reply: &Reply) -> bool {
    reply.status == 408 && reply.headers.contains_key(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::http::{Call, CallError, call};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    async fn listen() -> (TcpListener, Target) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Target::parse(&format!("tcp://127.0.0.1:{port}")).unwrap();
        (listener, target)
    }

    /// Takes a request and answers it; tells whether there was one.
    async fn serve(stream: &mut TcpStream, answer: &[u8]) -> bool {
        let mut seen = vec![0; 4096];
        let count = stream.read(&mut seen).await.unwrap_or(0);
        stream.write_all(answer).await.unwrap();
        count > 0
    }

    async fn ask(target: &Target) -> Result<u16, CallError> {
        let request = Call::new(target, "POST", "/", Duration::from_secs(5)).kept();
        call(request).await.map(|reply| reply.status)
    }

    #[tokio::test]
    async fn a_request_on_a_connection_that_is_closed_is_made_again_after_a_farewell_alone() {
        for (last_words, made_again) in [(FAREWELL, true), (&b""[..], false)] {
            let (listener, target) = listen().await;
            let server = tokio::spawn(async move {
                let (mut first, _) = listener.accept().await.unwrap();
                assert!(serve(&mut first, GOOD).await);
                // The second request is there before the connection is seen to be closed.
                assert!(serve(&mut first, last_words).await);
                drop(first);
                let (mut second, _) = listener.accept().await.unwrap();
                serve(&mut second, GOOD).await
            });
            assert_eq!(ask(&target).await.unwrap(), 200);
            let again = ask(&target).await;
            if made_again {
                assert_eq!(again.unwrap(), 200);
                assert!(server.await.unwrap(), "over a new connection");
            } else {
                let error = again.unwrap_err();
                assert!(
                    !error.was_not_sent(),
                    "it may have been carried out: {error}"
                );
                server.abort();
            }
        }
    }

    #[tokio::test]
    async fn a_connection_that_ended_in_between_is_none() {
        let (listener, target) = listen().await;
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                serve(&mut stream, GOOD).await;
            }
        });
        assert_eq!(ask(&target).await.unwrap(), 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(ask(&target).await.unwrap(), 200);
        server.await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Nobody listens any more.
        assert!(ask(&target).await.unwrap_err().was_not_sent());
    }
}
