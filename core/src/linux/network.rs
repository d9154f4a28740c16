//! The network namespace: bringing up the loopback interface, the only one that is there.

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

use super::explain::{Kernel, Refusal, chapter};
use super::sys::SysError;

/// The loopback interface is the first one of every network namespace.
const LOOPBACK: u32 = 1;

/// Brings up `lo`, which a new network namespace has, but down.
pub(super) fn loopback_up(kernel: &mut Kernel<'_>) -> Result<(), SysError> {
    kernel.turn_to(chapter::NETWORK);
    kernel.ask(
        "a new network has only a loopback interface, and it is down; 127.0.0.1 answers once it is up",
        || "sendto(NETLINK_ROUTE, RTM_SETLINK lo IFF_UP)".to_owned(),
        set_up,
    )
}

fn set_up() -> Result<(), Errno> {
    let mut link = LinkMessage::default();
    link.header.index = LOOPBACK;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::SetLink(link));
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);

    let socket = Socket::new(NETLINK_ROUTE).map_err(|e| e.errno())?;
    socket
        .send_to(&bytes, &SocketAddr::new(0, 0), 0)
        .map_err(|e| e.errno())?;
    let (answer, _) = socket.recv_from_full().map_err(|e| e.errno())?;
    let answer =
        NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(|_| Errno::EBADMSG)?;
    match answer.payload {
        // An acknowledgement is an error without a code.
        NetlinkPayload::Error(error) => error
            .code
            .map_or(Ok(()), |code| Err(Errno::from_raw(-code.get()))),
        _ => Err(Errno::EBADMSG),
    }
}
