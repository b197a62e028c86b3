//! Sockets.

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::host::byte_string::ByteString;

/// The version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InetFamily {
    /// IPv4.
    Ipv4,
    /// IPv6, which serves IPv4 as well unless that is switched off.
    Ipv6,
}

/// How a socket carries data: socket(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SocketType {
    /// Bytes in order.
    Stream,
    /// Messages.
    Datagram,
    /// Messages in order.
    Seqpacket,
    /// Packets with their headers.
    Raw,
    /// Something else.
    Other,
}

impl SocketType {
    /// Of the numbers of linux/net.h.
    pub(super) fn of_number(number: u32) -> Self {
        match number {
            1 => SocketType::Stream,
            2 => SocketType::Datagram,
            3 => SocketType::Raw,
            5 => SocketType::Seqpacket,
            _ => SocketType::Other,
        }
    }

    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            SocketType::Stream => "stream",
            SocketType::Datagram => "datagram",
            SocketType::Seqpacket => "seqpacket",
            SocketType::Raw => "raw",
            SocketType::Other => "other",
        }
    }
}

/// How far a connection is. Sockets without connections are `established` or `close`, as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // RFC 9293, 3.3.2, has them all.
pub enum SocketState {
    Established,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    NewSynReceived,
    Unknown,
}

impl SocketState {
    /// Of the numbers of net/tcp_states.h.
    pub(super) fn of_number(number: u32) -> Self {
        use SocketState::*;
        let known = [
            Established,
            SynSent,
            SynReceived,
            FinWait1,
            FinWait2,
            TimeWait,
            Close,
            CloseWait,
            LastAck,
            Listen,
            Closing,
            NewSynReceived,
        ];
        usize::try_from(number).ok().and_then(|number| known.get(number.checked_sub(1)?).copied()).unwrap_or(Unknown)
    }

    /// Words for it.
    pub fn words(self) -> &'static str {
        match self {
            SocketState::Established => "established",
            SocketState::SynSent => "syn sent",
            SocketState::SynReceived => "syn received",
            SocketState::FinWait1 => "fin wait 1",
            SocketState::FinWait2 => "fin wait 2",
            SocketState::TimeWait => "time wait",
            SocketState::Close => "closed",
            SocketState::CloseWait => "close wait",
            SocketState::LastAck => "last ack",
            SocketState::Listen => "listens",
            SocketState::Closing => "closing",
            SocketState::NewSynReceived => "new syn received",
            SocketState::Unknown => "unknown",
        }
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port; 0 for none.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

/// A socket of IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InetSocket {
    /// The version of IP.
    pub family: InetFamily,
    /// `tcp`, `udp`, or another; a number where it is none that has a name here.
    pub protocol: String,
    /// How it carries data.
    #[serde(rename = "type")]
    pub socket_type: SocketType,
    /// How far its connection is.
    pub state: SocketState,
    /// Its own address.
    pub local: Option<Endpoint>,
    /// The other end's, if it has one.
    pub remote: Option<Endpoint>,
    /// What may wait to be sent, bytes; none where that cannot be known.
    pub send_buffer_bytes: Option<u32>,
    /// What may wait to be read, bytes; none where that cannot be known.
    pub receive_buffer_bytes: Option<u32>,
}

/// The protocol of a socket of IP, by its number in linux/in.h.
pub(super) fn protocol(number: u32) -> String {
    match number {
        1 => "icmp".to_owned(),
        2 => "igmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        132 => "sctp".to_owned(),
        136 => "udplite".to_owned(),
        255 => "raw".to_owned(),
        other => other.to_string(),
    }
}

/// A socket on this host: unix(7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnixSocket {
    /// How it carries data.
    #[serde(rename = "type")]
    pub socket_type: SocketType,
    /// How far its connection is.
    pub state: SocketState,
    /// Its number.
    pub inode: u64,
    /// That of the socket at the other end; none if there is none, or it cannot be known.
    pub peer_inode: Option<u64>,
    /// Its name; a name that is no path begins with a zero byte. None for none.
    pub address: Option<ByteString>,
    /// What may wait to be sent, bytes; none where that cannot be known.
    pub send_buffer_bytes: Option<u32>,
    /// What may wait to be read, bytes; none where that cannot be known.
    pub receive_buffer_bytes: Option<u32>,
}
