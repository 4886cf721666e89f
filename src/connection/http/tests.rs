//! HTTP against small servers on loopback.

use super::*;
use crate::clock::{Clock, Deadline, Stop, SystemClock};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

fn serve(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(3).flatten() {
            let mut stream = stream;
            let mut seen = [0; 4096];
            let _count = stream.read(&mut seen);
            let _sent = stream.write_all(answer);
            if answer.is_empty() {
                std::mem::forget(stream);
            }
        }
    });
    port
}

/// Serves the same answer again and again, and hands out what was asked.
fn record(answer: &'static str) -> (u16, std::sync::mpsc::Receiver<String>) {
    let (sender, seen) = std::sync::mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut text = String::new();
            let mut buffer = [0; 4096];
            // The body may come after the head, in a packet of its own.
            while !text.contains("\r\n\r\n")
                || (text.contains("ontent-length: 4") && !text.ends_with("body"))
            {
                match socket.read(&mut buffer) {
                    Ok(count) if count > 0 => {
                        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
                    }
                    _ => break,
                }
            }
            let _sent = socket.write_all(answer.as_bytes());
            let _told = sender.send(text);
        }
    });
    (port, seen)
}

fn send(call: &HttpCall) -> Result<HttpReply, HttpError> {
    let (clock, stop) = (SystemClock::new(), Stop::new());
    let limit = Limit {
        clock: &clock,
        stop: &stop,
        deadline: Deadline::NEVER,
    };
    assert!(clock.elapsed() < Duration::from_secs(5));
    http(call, None, limit)
}

#[test]
fn any_status_is_an_answer_and_redirections_are_not_followed_unasked() {
    let port =
        serve(b"HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nhi");
    let reply = send(&HttpCall::get(
        format!("http://127.0.0.1:{port}/x"),
        Duration::from_secs(5),
    ))
    .unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (307, &b"hi"[..]));
    assert_eq!(reply.header("Location"), Some("http://127.0.0.1:1/"));
}

#[test]
fn redirections_are_followed_with_what_belongs_there() {
    let (elsewhere, seen) = record("HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok");
    for (status, method, expected) in [
        (302, "POST", "GET / "),
        (303, "PUT", "GET / "),
        (307, "POST", "POST / "),
        (301, "HEAD", "HEAD / "),
    ] {
        let location = format!("http://127.0.0.1:{elsewhere}/");
        let text =
            format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let (first, _) = record(Box::leak(text.into_boxed_str()));
        let mut call = HttpCall::get(
            format!("http://127.0.0.1:{first}/x"),
            Duration::from_secs(5),
        );
        method.clone_into(&mut call.method);
        call.redirects = 3;
        call.body = (method != "HEAD").then(|| b"body".to_vec());
        call.headers = vec![
            ("Authorization".to_owned(), Secret::new("bearer x")),
            ("X-Other".to_owned(), Secret::new("y")),
        ];
        let reply = send(&call).unwrap();
        assert_eq!((reply.status, reply.url), (200, location));
        let request = seen.recv().unwrap().to_lowercase();
        assert!(
            request.starts_with(&expected.to_lowercase()),
            "{status}: {request}"
        );
        assert!(
            !request.contains("bearer") && request.contains("x-other: y"),
            "{request}"
        );
        assert_eq!(request.ends_with("body"), status == 307, "{request}");
    }
    let looping = record("HTTP/1.1 301 x\r\nLocation: again?x\r\nContent-Length: 0\r\n\r\n").0;
    let mut call = HttpCall::get(
        format!("http://127.0.0.1:{looping}/a/b"),
        Duration::from_secs(5),
    );
    call.redirects = 2;
    let reply = send(&call).unwrap();
    assert_eq!(
        (reply.status, reply.url),
        (301, format!("http://127.0.0.1:{looping}/a/again?x"))
    );
}

#[test]
fn locations_are_seen_from_where_they_were_given() {
    let base: Uri = "https://h:1/a/b?c".parse().unwrap();
    for (location, url) in [
        ("http://x/y", "http://x/y"),
        ("//x/y", "https://x/y"),
        ("/y", "https://h:1/y"),
        ("y", "https://h:1/a/y"),
        ("?q", "https://h:1/a/b?q"),
    ] {
        assert_eq!(resolve(&base, location), url);
    }
}

/// Serves one TLS connection after the other with a certificate for 127.0.0.1; returns it too.
fn serve_tls() -> (u16, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let pem = made.cert.pem().into_bytes();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, socket);
            let _count = stream.read(&mut [0; 4096]);
            let _sent = stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\ntls");
        }
    });
    (port, pem)
}

#[test]
fn certificates_are_checked_unless_the_call_says_otherwise() {
    let (port, pem) = serve_tls();
    let (_, other) = serve_tls();
    let mut call = HttpCall::get(format!("https://127.0.0.1:{port}/"), Duration::from_secs(5));
    let error = send(&call).unwrap_err();
    assert!(
        error.nothing_sent() && error.to_string().contains("UnknownIssuer"),
        "{error:?}"
    );
    call.tls.authorities = Some(pem);
    assert_eq!(send(&call).unwrap().body, b"tls");
    call.tls.authorities = Some(other);
    assert!(send(&call).unwrap_err().nothing_sent());
    call.tls = Tls {
        insecure: true,
        ..Tls::default()
    };
    assert_eq!(send(&call).unwrap().body, b"tls");
    call.tls.authorities = Some(b"nothing".to_vec());
    assert!(matches!(send(&call), Err(HttpError::Request(_))));
}

#[test]
fn a_stop_ends_a_call_at_once() {
    let silent = serve(b"");
    let (clock, stop) = (SystemClock::new(), Stop::new());
    stop.raise(crate::clock::StopLevel::Abandon);
    let limit = Limit {
        clock: &clock,
        stop: &stop,
        deadline: Deadline::NEVER,
    };
    let call = HttpCall::get(
        format!("http://127.0.0.1:{silent}/"),
        Duration::from_mins(1),
    );
    assert_eq!(
        http(&call, None, limit),
        Err(HttpError::NotSent("stopped waiting".to_owned()))
    );
    assert!(clock.elapsed() < Duration::from_secs(5));
}

#[test]
fn errors_tell_whether_something_was_sent() {
    let limit = Duration::from_millis(300);
    let refused = send(&HttpCall::get("http://127.0.0.1:1/", limit)).unwrap_err();
    assert!(refused.nothing_sent(), "{refused:?}");
    let silent = serve(b"");
    let late = send(&HttpCall::get(format!("http://127.0.0.1:{silent}/"), limit)).unwrap_err();
    assert!(
        matches!(late, HttpError::TimedOut(after) if after >= limit && after < limit * 4),
        "{late:?}"
    );
    let torn = serve(b"HTTP/1.1 200 x\r\nContent-Length: 10\r\n\r\nhi");
    let torn = send(&HttpCall::get(
        format!("http://127.0.0.1:{torn}/"),
        Duration::from_secs(5),
    ))
    .unwrap_err();
    assert!(matches!(torn, HttpError::NoAnswer(_)), "{torn:?}");
    assert!(matches!(
        send(&HttpCall::get("no url", limit)),
        Err(HttpError::Request(_))
    ));
}
