//! Names to addresses and addresses to TCP connections, never longer than the call may wait.
//!
//! An address is used as it is. A name is resolved by the C library on a thread of its own, since that cannot be
//! interrupted. The static binary resolves from `/etc/hosts` and DNS by itself; other sources of `nsswitch.conf` are
//! loaded from the machine, if it has the same C library. Called by the SSH and local transports and by `http`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever ends a wait but a stop is one more reason why nobody answers"
)]

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::target::{AddressFamily as Family, Way};
use super::waiting::{LOOK, Waiting, ready};
use super::{ConnError, Limit};

/// How long one of several addresses is tried before the next one has its turn.
const TURN: Duration = Duration::from_secs(4);

/// Opens a TCP connection, without delay of small packets.
pub(crate) fn tcp(host: &str, port: u16, waiting: &Waiting<'_>) -> Result<TcpStream, ConnError> {
    tcp_by(&Way::default(), host, port, waiting)
}

/// Opens a TCP connection in a way that somebody chose: from which address, to which kind of them.
pub(crate) fn tcp_by(
    way: &Way,
    host: &str,
    port: u16,
    waiting: &Waiting<'_>,
) -> Result<TcpStream, ConnError> {
    let connected = from(way, waiting).and_then(|from| {
        let addresses = chosen(way, resolve(host, port, waiting)?)?;
        one_of(addresses, from, waiting)
    });
    connected.map_err(|trouble| unreachable(&place(host, port), trouble))
}

/// Returns the address of this machine that the connection shall come from.
fn from(way: &Way, waiting: &Waiting<'_>) -> Result<Option<IpAddr>, Trouble> {
    let Some(name) = &way.from else {
        return Ok(None);
    };
    let addresses = chosen(way, resolve(name, 0, waiting)?)?;
    Ok(addresses.first().map(SocketAddr::ip))
}

/// Returns the addresses of the family that is wanted.
fn chosen(way: &Way, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Trouble> {
    let (wanted, name): (fn(&SocketAddr) -> bool, _) = match way.family {
        Family::Any => return Ok(addresses),
        Family::V4 => (SocketAddr::is_ipv4, "IPv4"),
        Family::V6 => (SocketAddr::is_ipv6, "IPv6"),
    };
    let chosen: Vec<SocketAddr> = addresses.into_iter().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Trouble::Said(format!("it has no {name} address")));
    }
    Ok(chosen)
}

/// Connects to the first of some addresses that answers; says of each why it did not.
fn one_of(
    addresses: Vec<SocketAddr>,
    from: Option<IpAddr>,
    waiting: &Waiting<'_>,
) -> Result<TcpStream, Trouble> {
    let mut said = Vec::new();
    let count = addresses.len();
    for (at, address) in addresses.into_iter().enumerate() {
        let turn = if at + 1 < count {
            waiting.within(TURN)
        } else {
            *waiting
        };
        match connect(address, from, &turn) {
            Ok(socket) => return Ok(socket),
            Err(Trouble::Stopped) => return Err(Trouble::Stopped),
            Err(Trouble::Said(reason)) if count > 1 => {
                said.push(format!("{}: {reason}", address.ip()));
            }
            Err(Trouble::Said(reason)) => said.push(reason),
        }
    }
    if said.is_empty() {
        said.push("the name has no address".to_owned());
    }
    Err(Trouble::Said(said.join("; ")))
}

/// Writes a host with its port, as messages show it.
pub(crate) fn place(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

enum Trouble {
    Stopped,
    Said(String),
}

fn unreachable(host: &str, trouble: Trouble) -> ConnError {
    match trouble {
        Trouble::Stopped => ConnError::Stopped,
        Trouble::Said(reason) => ConnError::NotThere {
            host: host.to_owned(),
            reason,
        },
    }
}

/// Returns the slice to wait, with the end of the time put into words.
fn slice(waiting: &Waiting<'_>, doing: &str) -> Result<Duration, Trouble> {
    waiting.slice(LOOK).map_err(|error| match error {
        ConnError::TimedOut { after } => Trouble::Said(format!(
            "{doing} took longer than {:.1} s",
            after.as_secs_f64()
        )),
        _ => Trouble::Stopped,
    })
}

/// Tells whether this machine knows an address of a name.
pub fn resolves(host: &str, limit: Limit<'_>) -> bool {
    resolve(host, 0, &Waiting::new(limit)).is_ok_and(|addresses| !addresses.is_empty())
}

fn resolve(host: &str, port: u16, waiting: &Waiting<'_>) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    std::thread::spawn(move || {
        let found = (name.as_str(), port)
            .to_socket_addrs()
            .map(Iterator::collect::<Vec<_>>);
        // Nobody listens any more when the call has timed out.
        drop(sender.send(found));
    });
    loop {
        let slice = slice(waiting, "resolving the name")?;
        match receiver.recv_timeout(slice) {
            Ok(Ok(addresses)) => return Ok(addresses),
            Ok(Err(error)) => {
                return Err(Trouble::Said(format!("cannot resolve the name: {error}")));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Trouble::Said("cannot resolve the name".to_owned()));
            }
        }
    }
}

fn connect(
    address: SocketAddr,
    from: Option<IpAddr>,
    waiting: &Waiting<'_>,
) -> Result<TcpStream, Trouble> {
    let said = |error: Errno| Trouble::Said(std::io::Error::from(error).to_string());
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None).map_err(said)?;
    if let Some(from) = from.filter(|from| from.is_ipv4() == address.is_ipv4()) {
        net::bind(&socket, &SocketAddr::new(from, 0)).map_err(said)?;
    }
    match net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(said(error)),
    }
    while !ready(&socket, PollFlags::OUT, slice(waiting, "connecting")?)
        .map_err(|error| Trouble::Said(error.to_string()))?
    {}
    sockopt::socket_error(&socket)
        .map_err(said)?
        .map_err(said)?;
    sockopt::set_tcp_nodelay(&socket, true).map_err(said)?;
    Ok(TcpStream::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Stop, StopLevel, SystemClock};
    use crate::connection::Limit;
    use std::net::TcpListener;

    fn try_tcp(
        host: &str,
        port: u16,
        milliseconds: u64,
        stop: &Stop,
    ) -> Result<TcpStream, ConnError> {
        let clock = SystemClock::new();
        let deadline = clock.deadline(Duration::from_millis(milliseconds));
        tcp(
            host,
            port,
            &Waiting::new(Limit {
                clock: &clock,
                stop,
                deadline,
            }),
        )
    }

    #[test]
    fn addresses_and_names_are_dialled() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let socket = try_tcp(host, port, 5_000, &Stop::new()).unwrap();
            assert!(socket.nodelay().unwrap());
        }
    }

    #[test]
    fn what_does_not_answer_is_said() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let refused = try_tcp("127.0.0.1", free, 5_000, &Stop::new()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("cannot reach 127.0.0.1:{free}: Connection refused (os error 111)")
        );
        let unknown = try_tcp("no.such.name.invalid", 22, 5_000, &Stop::new()).unwrap_err();
        assert!(
            unknown
                .to_string()
                .starts_with("cannot reach no.such.name.invalid:22: cannot resolve"),
            "{unknown}"
        );
        assert!(unknown.nothing_sent());
    }

    #[test]
    fn every_address_of_a_name_is_tried_and_told() {
        let stop = Stop::new();
        let (clock, free) = (
            SystemClock::new(),
            TcpListener::bind("127.0.0.1:0").unwrap(),
        );
        let port = free.local_addr().unwrap().port();
        let waiting = Waiting::new(Limit {
            clock: &clock,
            stop: &stop,
            deadline: clock.deadline(Duration::from_secs(5)),
        });
        let at = |address: &str| SocketAddr::new(address.parse().unwrap(), port);
        assert!(one_of(vec![at("127.0.0.2"), at("127.0.0.1")], None, &waiting).is_ok());
        let Err(Trouble::Said(said)) =
            one_of(vec![at("127.0.0.2"), at("127.0.0.3")], None, &waiting)
        else {
            panic!("nobody listens there");
        };
        let refused = "Connection refused (os error 111)";
        assert_eq!(said, format!("127.0.0.2: {refused}; 127.0.0.3: {refused}"));
    }

    #[test]
    fn the_way_may_be_chosen() {
        let (stop, clock) = (Stop::new(), SystemClock::new());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let waiting = Waiting::new(Limit {
            clock: &clock,
            stop: &stop,
            deadline: clock.deadline(Duration::from_secs(5)),
        });
        let mut way = Way {
            from: Some("127.0.0.7".to_owned()),
            family: Family::V4,
            ..Way::default()
        };
        let socket = tcp_by(&way, "127.0.0.1", port, &waiting).unwrap();
        let from: IpAddr = "127.0.0.7".parse().unwrap();
        assert_eq!(socket.local_addr().unwrap().ip(), from);
        way.family = Family::V6;
        way.from = None;
        let error = tcp_by(&way, "127.0.0.1", port, &waiting).unwrap_err();
        assert!(
            error.to_string().ends_with("it has no IPv6 address"),
            "{error}"
        );
    }

    #[test]
    fn a_deadline_and_a_stop_end_the_dialling() {
        // A listener whose queue is full does not answer further connections.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        net::listen(&listener, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let held: Vec<_> = (0..3)
            .map(|_| try_tcp("127.0.0.1", port, 300, &Stop::new()))
            .collect();
        let late = held
            .iter()
            .find_map(|result| result.as_ref().err())
            .unwrap();
        assert!(
            late.to_string()
                .contains("connecting took longer than 0.3 s"),
            "{late}"
        );
        let stop = Stop::new();
        stop.raise(StopLevel::Abandon);
        assert_eq!(
            try_tcp("127.0.0.1", port, 5_000, &stop).unwrap_err(),
            ConnError::Stopped
        );
    }
}
