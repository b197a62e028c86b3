//! Sockets, all of them members of [`FileEntry`](super::FileEntry).

/// `sk_opts_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct SkOptsEntry {
    /// `SO_SNDBUF` of socket(7), bytes.
    #[prost(uint32, required, tag = "1")]
    pub send_buffer: u32,
    /// `SO_RCVBUF` of socket(7), bytes.
    #[prost(uint32, required, tag = "2")]
    pub receive_buffer: u32,
}

/// `inet_sk_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InetSkEntry {
    /// The kernel's number of it.
    #[prost(uint32, required, tag = "2")]
    pub ino: u32,
    /// `AF_INET` is 2, `AF_INET6` is 10.
    #[prost(uint32, required, tag = "3")]
    pub family: u32,
    /// `SOCK_…` of linux/net.h.
    #[prost(uint32, required, tag = "4")]
    pub socket_type: u32,
    /// `IPPROTO_…` of linux/in.h.
    #[prost(uint32, required, tag = "5")]
    pub protocol: u32,
    /// `TCP_…` of net/tcp_states.h.
    #[prost(uint32, required, tag = "6")]
    pub state: u32,
    /// Its own port.
    #[prost(uint32, required, tag = "7")]
    pub src_port: u32,
    /// The other end's port.
    #[prost(uint32, required, tag = "8")]
    pub dst_port: u32,
    /// Its own address: one number or four, each in the order of bytes of the network.
    #[prost(uint32, repeated, packed = "false", tag = "11")]
    pub src_addr: Vec<u32>,
    /// The other end's address.
    #[prost(uint32, repeated, packed = "false", tag = "12")]
    pub dst_addr: Vec<u32>,
    /// Its options.
    #[prost(message, optional, tag = "14")]
    pub options: Option<SkOptsEntry>,
}

/// `unix_sk_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UnixSkEntry {
    /// The kernel's number of it.
    #[prost(uint32, required, tag = "2")]
    pub ino: u32,
    /// `SOCK_…` of linux/net.h.
    #[prost(uint32, required, tag = "3")]
    pub socket_type: u32,
    /// `TCP_…` of net/tcp_states.h.
    #[prost(uint32, required, tag = "4")]
    pub state: u32,
    /// The other end's `ino`; 0 for none.
    #[prost(uint32, required, tag = "8")]
    pub peer: u32,
    /// Its options.
    #[prost(message, optional, tag = "10")]
    pub options: Option<SkOptsEntry>,
    /// Its name; one that is no path begins with a zero byte.
    #[prost(bytes = "vec", required, tag = "11")]
    pub name: Vec<u8>,
}

/// `netlink_sk_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct NetlinkSkEntry {
    /// `NETLINK_…` of linux/netlink.h.
    #[prost(uint32, required, tag = "3")]
    pub protocol: u32,
    /// Its options.
    #[prost(message, optional, tag = "12")]
    pub options: Option<SkOptsEntry>,
}

/// `packet_sock_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct PacketSockEntry {
    /// `SOCK_…` of linux/net.h.
    #[prost(uint32, required, tag = "2")]
    pub socket_type: u32,
    /// `ETH_P_…` of linux/if_ether.h.
    #[prost(uint32, required, tag = "3")]
    pub protocol: u32,
    /// Its options.
    #[prost(message, optional, tag = "7")]
    pub options: Option<SkOptsEntry>,
}
