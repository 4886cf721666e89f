//! What goes over a link, and what becomes of it when the link breaks.

use crate::host::{Host, SERVER_OF_SESSION};
use crate::server::Server;
use rustix::net::{AddressFamily, SocketType};
use stagger::clock::Clock;
use stagger::connection::http::{HttpCall, http};
use stagger::connection::{Attached, ConnError, End, Endpoint, Limit, Stream, Target, Upload};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::time::Duration;

pub(crate) fn logs_in_and_runs(server: &Server) {
    let mut host = Host::new(&server.target());
    let reply = host.script("echo out; echo err >&2; exit 3").unwrap();
    assert_eq!(
        (reply.code, reply.out.as_slice(), reply.err.as_slice()),
        (3, b"out\n".as_slice(), b"err\n".as_slice())
    );
    let reply = host
        .script("head -c 5000000 /dev/zero | tr '\\0' e >&2; head -c 5000000 /dev/zero")
        .unwrap();
    assert_eq!((reply.out.len(), reply.err.len()), (5_000_000, 5_000_000));
    let end = host.job(None, "first", "echo job; exit 4").unwrap();
    assert_eq!(
        (end.end, end.out.as_slice()),
        (End::Code(4), b"job\n".as_slice())
    );
    let error = host.script("kill -9 $$").unwrap_err();
    assert!(
        matches!(&error, ConnError::Lost { reason, .. } if reason.contains("Signal(9)")),
        "{error:?}"
    );
    assert_eq!(host.script("echo again").unwrap().out, b"again\n");
}

pub(crate) fn files_of_any_size_go_both_ways(server: &Server) {
    files_go_both_ways(server, &server.target());
}

pub(crate) fn files_go_both_ways(server: &Server, target: &Target) {
    let mut host = Host::new(target);
    let limit = Limit {
        clock: &host.clock,
        stop: &host.stop,
        deadline: host.clock.deadline(Duration::from_mins(1)),
    };
    for size in [0, 1_000, 64 << 10, 20_000_000] {
        let content: Vec<u8> = (0..=255).cycle().take(size).collect();
        let path = server.file("put").display().to_string();
        let began = host.clock.elapsed();
        host.connection
            .put(
                None,
                &Upload {
                    path: &path,
                    content: &content,
                    mode: Some(0o640),
                    owner: None,
                    group: None,
                },
                limit,
            )
            .unwrap();
        println!(
            "put {size} bytes: {:?}",
            host.clock.elapsed().checked_sub(began).unwrap()
        );
        assert!(std::fs::read(&path).unwrap() == content);
        assert!(host.connection.get(None, &path, 30_000_000, limit).unwrap() == content);
    }
}

pub(crate) fn a_dropped_link_is_met_honestly(server: &Server) {
    let mut host = Host::new(&server.target());
    let mut other = Host::new(&server.target());
    let pid = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    // Before the request was sent: a new session, and the caller sees nothing of it.
    other.script(&format!("kill -9 {pid}; sleep 0.5")).unwrap();
    let now = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    assert_ne!(pid, now);
    // After it was sent: lost.
    let error = host.script(&format!("kill -9 {now}; sleep 5")).unwrap_err();
    assert!(
        matches!(error, ConnError::Lost { .. }) && !error.nothing_sent(),
        "{error:?}"
    );
    // A job goes on without its session, and is found again.
    let pid = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    let error = host
        .job(
            None,
            "dropped",
            &format!("kill -9 {pid}; sleep 1; echo survived; exit 9"),
        )
        .unwrap_err();
    assert!(matches!(error, ConnError::Lost { .. }), "{error:?}");
    let Attached::Ended(end) = host.attach("dropped").unwrap() else {
        panic!("it did not end")
    };
    assert_eq!(
        (end.end, end.out.as_slice()),
        (End::Code(9), b"survived\n".as_slice())
    );
}

pub(crate) fn a_silent_host_is_noticed(server: &Server) {
    let mut target = server.target();
    target.timeouts.keepalive = Duration::from_secs(2);
    target.timeouts.keepalive_misses = 1;
    let mut host = Host::new(&target);
    let mut other = Host::new(&server.target());
    let pid = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    let stopped = host.script(&format!("kill -STOP {pid}; sleep 60"));
    other.script(&format!("kill -9 {pid}")).unwrap();
    let error = stopped.unwrap_err();
    assert!(
        matches!(&error, ConnError::Lost { reason, .. } if reason.contains("nothing was heard")),
        "{error:?}"
    );
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    target.port = silent.local_addr().unwrap().port();
    target.timeouts.connect = Duration::from_millis(500);
    let error = Host::new(&target).script("true").unwrap_err();
    assert!(matches!(error, ConnError::NotThere { .. }), "{error:?}");
}

/// Answers every request with "hi", on the port that is returned.
fn says_hi() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let _count = socket.read(&mut buffer);
            let _sent = socket.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nhi");
        }
    });
    port
}

#[track_caller]
fn hears_hi(host: &mut Host, call: &HttpCall) {
    let limit = Limit {
        clock: &host.clock,
        stop: &host.stop,
        deadline: host.clock.deadline(Duration::from_secs(20)),
    };
    let reply = http(call, Some(&mut *host.connection), limit).unwrap();
    assert_eq!(reply.body, b"hi");
}

/// The same over a stream that lasts, which has a session of its own.
#[track_caller]
fn hears_hi_at_length(host: &mut Host, port: u16) {
    let limit = Limit {
        clock: &host.clock,
        stop: &host.stop,
        deadline: host.clock.deadline(Duration::from_secs(20)),
    };
    let to = Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
    };
    let mut stream = host.connection.stream(&to, limit).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert!(heard.ends_with("hi"), "{heard}");
}

pub(crate) fn http_goes_through_a_tunnel(server: &Server) {
    tunnels_carry(&server.target());
}

pub(crate) fn tunnels_carry(target: &Target) {
    let port = says_hi();
    let mut host = Host::new(target);
    let call = HttpCall::get(format!("http://127.0.0.1:{port}/"), Duration::from_secs(10));
    for _ in 0..20 {
        hears_hi(&mut host, &call);
        hears_hi_at_length(&mut host, port);
    }
    let limit = Limit {
        clock: &host.clock,
        stop: &host.stop,
        deadline: host.clock.deadline(Duration::from_secs(10)),
    };
    let error = host
        .connection
        .stream(
            &Endpoint {
                host: "127.0.0.1".to_owned(),
                port: 1,
            },
            limit,
        )
        .unwrap_err();
    assert!(error.nothing_sent(), "{error:?}");
}

/// How many threads carry streams, and their processor time in ticks of 10 ms.
fn pumps() -> (usize, u64) {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |task: std::fs::DirEntry| {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).ok();
        (read("comm")?.trim() == "pump").then_some(())?;
        let stat = read("stat")?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some(user + system)
    };
    let ticks: Vec<u64> = tasks.filter_map(of).collect();
    (ticks.len(), ticks.iter().sum())
}

pub(crate) fn an_idle_tunnel_takes_no_processor(server: &Server) {
    let port = says_hi();
    let mut target = server.target();
    // The answers to these lie unread when nothing goes through the tunnel.
    target.timeouts.keepalive = Duration::from_secs(1);
    let mut host = Host::new(&target);
    for _ in 0..2 {
        hears_hi_at_length(&mut host, port);
        let (count, before) = pumps();
        assert!(count > 0);
        let _woken = host.clock.wait(Duration::from_secs(4), &host.stop);
        let spent = pumps().1.saturating_sub(before);
        assert!(spent < 100, "{spent} ticks of 400");
    }
}

/// Takes so many bytes and gives them back, on the port that is returned.
fn gives_back(size: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut taken = vec![0; size];
            socket.read_exact(&mut taken).unwrap();
            socket.write_all(&taken).unwrap();
        }
    });
    port
}

/// A port whose connections are neither taken nor refused, with what keeps it so.
fn is_silent() -> (u16, Vec<OwnedFd>) {
    let tcp = || rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let listener = tcp();
    rustix::net::bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let own = rustix::net::getsockname(&listener).unwrap();
    let address = SocketAddrV4::try_from(own).unwrap();
    let mut held = vec![listener];
    for _ in 0..4 {
        let client = tcp();
        rustix::io::ioctl_fionbio(&client, true).unwrap();
        // Under way, for ever: there is no place in the queue.
        let _under_way = rustix::net::connect(&client, &address);
        held.push(client);
    }
    (address.port(), held)
}

/// One exchange needs no login of its own; a place that does not answer stops neither the shells nor the next exchange.
pub(crate) fn one_exchange_goes_through_the_session_itself(server: &Server) {
    let port = says_hi();
    let mut host = Host::new(&server.target());
    host.script(":").unwrap();
    let logins = || {
        let log = std::fs::read_to_string(server.file("log")).unwrap();
        log.matches("Accepted publickey").count()
    };
    let before = logins();
    let call = HttpCall::get(format!("http://127.0.0.1:{port}/"), Duration::from_secs(10));
    for _ in 0..3 {
        hears_hi(&mut host, &call);
        assert_eq!(host.script("echo between").unwrap().out, b"between\n");
    }
    let size = 3_000_000;
    let all: Vec<u8> = (0..=255).cycle().take(size).collect();
    let mut stream = brief(&mut host, gives_back(size), 20).unwrap();
    stream.write_all(&all).unwrap();
    let mut back = vec![0; size];
    stream.read_exact(&mut back).unwrap();
    assert!(back == all);
    drop(stream);
    assert_eq!(
        brief(&mut host, 1, 5)
            .unwrap_err()
            .to_string()
            .matches("through")
            .count(),
        1
    );
    assert_eq!(logins(), before);

    let (silent, held) = is_silent();
    let began = host.clock.elapsed();
    let error = brief(&mut host, silent, 1).unwrap_err();
    assert!(error.to_string().contains("no answer within"), "{error}");
    assert_eq!(host.script("echo still").unwrap().out, b"still\n");
    hears_hi(&mut host, &call);
    assert!(host.clock.elapsed().saturating_sub(began) < Duration::from_secs(5));
    // That one went another way; when the place has refused at last, the session is free again.
    assert_eq!(logins(), before + 1);
    drop(held);
    let _woken = host.clock.wait(Duration::from_secs(8), &host.stop);
    hears_hi(&mut host, &call);

    let pid = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    let mut other = Host::new(&server.target());
    other.script(&format!("kill -9 {pid}; sleep 0.5")).unwrap();
    hears_hi(&mut host, &call);
}

fn brief(host: &mut Host, port: u16, seconds: u64) -> Result<Box<dyn Stream>, ConnError> {
    let limit = Limit {
        clock: &host.clock,
        stop: &host.stop,
        deadline: host.clock.deadline(Duration::from_secs(seconds)),
    };
    let to = Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
    };
    host.connection.brief_stream(&to, limit)
}
