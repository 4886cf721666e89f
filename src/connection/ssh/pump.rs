//! A session that only carries streams: jump hosts and tunnels, on a thread of their own.
//!
//! Each stream is a channel (`direct-tcpip`) on the far side and a socket pair on the near side, so that whoever uses it
//! sees an ordinary socket. One loop moves the bytes of all of them. It ends when the last handle and the last stream
//! are gone, or when the session breaks, which closes every near end.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a time that ran out names the way; every other error has its own words already"
)]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::Channel;

use crate::connection::transport::Broken;
use crate::connection::waiting::{LOOK, Waiting, poll_all};
use crate::connection::{ConnError, Endpoint, dial};

use super::live::{Live, is_again, is_break};

/// The most streams of one session; sshd's own limit is ten channels.
const MOST: usize = 8;

/// How much is taken from one side before the other has taken it.
const BUFFER: usize = 256 << 10;

/// How long the first channel, which only makes the server send small packets at once, may take.
const WARMING: Duration = Duration::from_secs(3);

/// A running pump.
#[derive(Debug)]
pub(crate) struct Pump {
    orders: Sender<Order>,
    // A byte wakes the loop; closing it lets the loop end.
    wake: UnixStream,
    host: String,
}

/// A stream that somebody wants.
#[derive(Debug)]
struct Order {
    to: Endpoint,
    local: UnixStream,
    reply: Sender<Result<(), String>>,
}

impl Pump {
    /// Starts a pump over a session that is logged in.
    pub(crate) fn start(mut live: Live, waiting: &Waiting<'_>) -> Result<Self, ConnError> {
        warm(&mut live, waiting);
        let host = live.host.clone();
        let failed = |error: std::io::Error| ConnError::Unreachable {
            host: host.clone(),
            reason: error.to_string(),
        };
        let (orders, receiver) = mpsc::channel();
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        woken.set_nonblocking(true).map_err(failed)?;
        let running = Running {
            live,
            orders: receiver,
            woken,
            handle_gone: false,
            waiting: VecDeque::new(),
            links: Vec::new(),
            closing: Vec::new(),
            unread: 0,
        };
        let thread = std::thread::Builder::new().name("pump".to_owned());
        thread.spawn(move || running.run()).map_err(failed)?;
        Ok(Self { orders, wake, host })
    }

    /// Tells whether its session has not ended.
    pub(crate) fn is_running(&self) -> bool {
        let mut byte = [0_u8; 1];
        let seen = recv(&self.wake, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(seen, Err(Errno::AGAIN))
    }

    /// Opens a stream to an endpoint as the session's host sees it.
    pub(crate) fn open(
        &self,
        to: &Endpoint,
        waiting: &Waiting<'_>,
    ) -> Result<UnixStream, ConnError> {
        let place = dial::place(&to.host, to.port);
        let unreachable = |reason: String| ConnError::Unreachable {
            host: place.clone(),
            reason: format!("through {}: {reason}", self.host),
        };
        let (near, local) = UnixStream::pair().map_err(|error| unreachable(error.to_string()))?;
        local
            .set_nonblocking(true)
            .map_err(|error| unreachable(error.to_string()))?;
        let (reply, answer) = mpsc::channel();
        let gone = || unreachable("the session is gone".to_owned());
        self.orders
            .send(Order {
                to: to.clone(),
                local,
                reply,
            })
            .map_err(|_| gone())?;
        (&self.wake).write_all(&[0]).map_err(|_| gone())?;
        loop {
            let slice = waiting.slice(LOOK).map_err(|error| match error {
                ConnError::TimedOut { after } => {
                    unreachable(format!("no answer within {:.1} s", after.as_secs_f64()))
                }
                error => error,
            })?;
            match answer.recv_timeout(slice) {
                Ok(Ok(())) => return Ok(near),
                Ok(Err(reason)) => {
                    return Err(ConnError::NotThere {
                        host: place,
                        reason: format!("through {}: {reason}", self.host),
                    });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }
}

/// Opens and closes one exec channel: until it has had one, sshd holds small packets back and each costs 40 ms.
///
/// A jump host may allow no commands; then the first streams are slow, and nothing else is wrong.
fn warm(live: &mut Live, waiting: &Waiting<'_>) {
    let waiting = waiting.within(WARMING);
    let Ok(mut channel) = live.drive(&waiting, |session| session.channel_session()) else {
        return;
    };
    if live.drive(&waiting, |_| channel.exec("true")).is_ok() {
        let mut sink = [0; 1024];
        while let Ok(count) = live.drive(&waiting, |_| read(&mut channel, &mut sink)) {
            if count == 0 {
                break;
            }
        }
    }
    // A channel that does not close now is closed with the session.
    drop(live.drive(&waiting, |_| channel.close()));
}

/// Reads from a channel, with its error as libssh2's own.
fn read(channel: &mut Channel, buffer: &mut [u8]) -> Result<usize, ssh2::Error> {
    channel.read(buffer).map_err(|error| {
        let code = if error.kind() == ErrorKind::WouldBlock {
            -37
        } else {
            -43
        };
        ssh2::Error::new(ssh2::ErrorCode::Session(code), "the channel cannot be read")
    })
}

/// One stream: a channel and a socket with what is on its way between them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each direction has two ends, told apart from the link's own"
)]
struct Link {
    channel: Channel,
    local: UnixStream,
    out: Vec<u8>,
    back: Vec<u8>,
    local_ended: bool,
    remote_ended: bool,
    end_sent: bool,
    end_told: bool,
    dead: bool,
}

impl Link {
    fn new(channel: Channel, local: UnixStream) -> Self {
        Self {
            channel,
            local,
            out: Vec::new(),
            back: Vec::new(),
            local_ended: false,
            remote_ended: false,
            end_sent: false,
            end_told: false,
            dead: false,
        }
    }

    fn is_over(&self) -> bool {
        self.dead || (self.end_sent && self.end_told)
    }

    /// Moves bytes both ways; true when something moved.
    fn turn(&mut self) -> Result<bool, Broken> {
        let moved =
            self.take_local() | self.give_remote() | self.take_remote()? | self.give_local();
        if self.local_ended && self.out.is_empty() && !self.end_sent {
            match self.channel.send_eof() {
                Err(error) if is_again(&error) => {}
                Err(error) if is_break(&error) => return Err(Broken(error.message().to_owned())),
                Ok(()) | Err(_) => self.end_sent = true,
            }
        }
        if self.remote_ended && self.back.is_empty() && !self.end_told {
            self.end_told = true;
            // The near end may be closed already.
            drop(self.local.shutdown(std::net::Shutdown::Write));
        }
        Ok(moved)
    }

    fn take_local(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let mut moved = false;
        while !self.local_ended && self.out.len() < BUFFER {
            match self.local.read(&mut buffer) {
                Ok(0) => self.local_ended = true,
                Ok(count) => {
                    moved = true;
                    self.out
                        .extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.dead = true,
            }
            if self.dead {
                break;
            }
        }
        moved
    }

    fn give_remote(&mut self) -> bool {
        let mut moved = false;
        while !self.out.is_empty() {
            match self.channel.write(&self.out) {
                Ok(0) => break,
                Ok(count) => {
                    moved = true;
                    self.out.drain(..count.min(self.out.len()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    // The far side takes no more of this stream; a broken session shows itself when it is read.
                    self.out.clear();
                    self.local_ended = true;
                    self.end_sent = true;
                }
            }
        }
        moved
    }

    fn take_remote(&mut self) -> Result<bool, Broken> {
        let mut buffer = [0; 16 << 10];
        let mut moved = false;
        while !self.remote_ended && self.back.len() < BUFFER {
            match self.channel.read(&mut buffer) {
                Ok(0) if self.channel.eof() => self.remote_ended = true,
                Ok(0) => break,
                Ok(count) => {
                    moved = true;
                    self.back
                        .extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Broken(error.to_string())),
            }
        }
        Ok(moved)
    }

    fn give_local(&mut self) -> bool {
        let mut moved = false;
        while !self.back.is_empty() {
            match self.local.write(&self.back) {
                Ok(count) => {
                    moved = true;
                    self.back.drain(..count.min(self.back.len()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.dead = true;
                    break;
                }
            }
        }
        moved
    }

    /// Tells whether the near end has nothing more to give and all of it has gone out.
    fn is_given(&self) -> bool {
        self.local_ended && self.out.is_empty()
    }

    /// Returns what the near end is polled for; none if its state would only wake the poll for nothing.
    fn wants(&self) -> Option<PollFlags> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.local_ended && self.out.len() < BUFFER);
        flags.set(PollFlags::OUT, !self.back.is_empty());
        // With nothing left to take or give, a hang-up is worth knowing: nobody is there any more.
        (!flags.is_empty() || self.is_given()).then_some(flags)
    }
}

/// The loop's own state.
struct Running {
    live: Live,
    orders: Receiver<Order>,
    woken: UnixStream,
    handle_gone: bool,
    waiting: VecDeque<Order>,
    links: Vec<Link>,
    closing: Vec<Channel>,
    // How much lay unread when nobody was reading.
    unread: u64,
}

impl Running {
    fn run(mut self) {
        while !(self.handle_gone && self.links.is_empty() && self.waiting.is_empty()) {
            if self.round().is_err() {
                break;
            }
        }
        // Near ends and orders are closed by being dropped; the session before its channels would be asked to wait.
        self.live.shut();
    }

    fn round(&mut self) -> Result<(), Broken> {
        self.take_orders();
        self.open_next()?;
        let mut moved = false;
        for link in &mut self.links {
            moved |= link.turn()?;
        }
        let (over, going): (Vec<Link>, Vec<Link>) = self.links.drain(..).partition(Link::is_over);
        self.links = going;
        self.closing
            .extend(over.into_iter().map(|link| link.channel));
        self.closing
            .retain_mut(|channel| channel.close().is_err_and(|error| is_again(&error)));
        self.live.beat()?;
        if moved {
            self.live.heard();
            return Ok(());
        }
        self.rest()
    }

    fn take_orders(&mut self) {
        let mut bytes = [0; 64];
        if matches!(self.woken.read(&mut bytes), Ok(0)) {
            self.handle_gone = true;
        }
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.waiting.push_back(order),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.handle_gone = true;
                    break;
                }
            }
        }
    }

    /// Opens channels, one after the other: libssh2 opens one at a time.
    fn open_next(&mut self) -> Result<(), Broken> {
        while self.links.len() < MOST
            && let Some(order) = self.waiting.pop_front()
        {
            match self
                .live
                .session
                .channel_direct_tcpip(&order.to.host, order.to.port, None)
            {
                Ok(channel) => {
                    // Who asked may have gone; then the near end is closed and the link ends at once.
                    drop(order.reply.send(Ok(())));
                    self.links.push(Link::new(channel, order.local));
                }
                Err(error) if is_again(&error) => {
                    self.waiting.push_front(order);
                    break;
                }
                Err(error) if is_break(&error) => return Err(Broken(error.message().to_owned())),
                Err(error) => drop(order.reply.send(Err(error.message().to_owned()))),
            }
        }
        Ok(())
    }

    /// Tells whether somebody takes what the session's socket has. libssh2 reads only for a channel: with none that reads,
    /// an answer to a keepalive would lie there and wake the poll at once for ever.
    fn reads(&self) -> bool {
        let reads = |link: &Link| !link.remote_ended && link.back.len() < BUFFER;
        !self.closing.is_empty() || !self.waiting.is_empty() || self.links.iter().any(reads)
    }

    fn rest(&mut self) -> Result<(), Broken> {
        let reads = self.reads();
        let wanted = if reads {
            self.live.wants()
        } else {
            PollFlags::RDHUP
        };
        let mut fds = vec![PollFd::from_borrowed_fd(self.live.socket(), wanted)];
        let mut polled = Vec::new();
        for (at, link) in self.links.iter().enumerate() {
            if let Some(flags) = link.wants() {
                fds.push(PollFd::new(&link.local, flags));
                polled.push(at);
            }
        }
        if !self.handle_gone {
            fds.push(PollFd::new(&self.woken, PollFlags::IN));
        }
        poll_all(&mut fds, LOOK * 10).map_err(|error| Broken(error.to_string()))?;
        let seen: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        drop(fds);
        let mut seen = seen.into_iter();
        let session = seen.next().unwrap_or(PollFlags::empty());
        if !reads {
            self.notice(session)?;
        } else if session.contains(PollFlags::IN) {
            self.live.heard();
            self.unread = 0;
        }
        for (at, flags) in polled.into_iter().zip(seen) {
            if let Some(link) = self.links.get_mut(at).filter(|link| link.is_given()) {
                link.dead |= flags.contains(PollFlags::HUP);
            }
        }
        Ok(())
    }

    /// Learns from a socket that nobody reads whether the other side is there.
    fn notice(&mut self, flags: PollFlags) -> Result<(), Broken> {
        if flags.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
            return Err(Broken("the host has closed the connection".to_owned()));
        }
        let unread = rustix::io::ioctl_fionread(self.live.socket())
            .map_err(|error| Broken(error.to_string()))?;
        if unread > self.unread {
            self.live.heard();
        }
        self.unread = unread;
        Ok(())
    }
}
