//! The TCP sockets of a host, read from `/proc/net`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A state of a TCP socket, by its number in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketState {
    /// ESTABLISHED and the other states, by Ansible's name.
    Named(&'static str),
    /// LISTEN.
    Listen,
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its own address.
    pub local: IpAddr,
    /// Its own port.
    pub port: u16,
    /// The other side's address.
    pub remote: IpAddr,
    /// Its state.
    pub state: SocketState,
}

/// Returns the shell text that prints the sockets of a port.
pub fn sockets_script(port: u16) -> String {
    // Not `read`, which takes such a file byte by byte. Lines of the port's other side are dropped later.
    format!(
        "[ -r /proc/net/tcp ] || exit 7\ngrep -h ':{port:04X} ' /proc/net/tcp /proc/net/tcp6 2>/dev/null\n:\n"
    )
}

/// Reads what that text printed.
pub fn sockets(text: &str) -> Vec<Socket> {
    text.lines().filter_map(socket).collect()
}

fn socket(line: &str) -> Option<Socket> {
    let mut words = line.split_whitespace().skip(1);
    let (local, port) = words.next()?.split_once(':')?;
    let (remote, _) = words.next()?.split_once(':')?;
    Some(Socket {
        local: address(local)?,
        port: u16::from_str_radix(port, 16).ok()?,
        remote: address(remote)?,
        state: match words.next()? {
            "01" => SocketState::Named("ESTABLISHED"),
            "02" => SocketState::Named("SYN_SENT"),
            "03" => SocketState::Named("SYN_RECV"),
            "04" => SocketState::Named("FIN_WAIT1"),
            "05" => SocketState::Named("FIN_WAIT2"),
            "06" => SocketState::Named("TIME_WAIT"),
            "0A" => SocketState::Listen,
            _ => SocketState::Named("CLOSE"),
        },
    })
}

/// Reads an address as the kernel prints it: words of 32 bits in the host's byte order, which is little endian on
/// every machine that stagger runs on.
fn address(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for at in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    let sixteen = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
    let address = Ipv6Addr::from(sixteen);
    Some(
        address
            .to_ipv4_mapped()
            .map_or(IpAddr::V6(address), IpAddr::V4),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_addresses_are_read() {
        let text = "  0: 0100007F:2151 00000000:0000 0A\n\
            1: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A\n\
            2: 0000000000000000FFFF00000200000A:2151 0000000000000000FFFF00000300000A:D431 01\n\
            broken\n";
        let found = sockets(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].local.to_string(), "127.0.0.1");
        assert_eq!((found[0].port, found[0].state), (8529, SocketState::Listen));
        assert_eq!(found[1].local.to_string(), "::1");
        assert_eq!(found[2].local.to_string(), "10.0.0.2");
        assert_eq!(found[2].remote.to_string(), "10.0.0.3");
    }
}
