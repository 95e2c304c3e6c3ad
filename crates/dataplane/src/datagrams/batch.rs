//! Room for the datagrams of one system call.
//!
//! Owns: the memory, and reading what the kernel has written there. Does not own: when to receive (`datagrams`).
//! Follows recvmmsg(2).

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use socket2::{SockAddr, SockAddrStorage};

use super::packet_info;

/// The largest datagram that there is, and one byte.
const SLOT_BYTES: usize = 64 * 1024;
/// Room for what the kernel tells beside a datagram: where it was sent to.
const CONTROL_BYTES: usize = 64;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

/// A datagram as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// What it holds.
    pub data: &'a [u8],
    /// Who has sent it; none: the kernel does not say.
    pub from: Option<SocketAddr>,
    /// Where it was sent to, if the kernel was asked for that.
    pub to: Option<IpAddr>,
    /// Whether it was longer than what there was room for.
    pub is_cut: bool,
}

/// Room for some datagrams; one a worker. Of its 64 KiB a datagram only what was ever written takes memory.
pub struct ReceiveBatch {
    data: Box<[u8]>,
    senders: [Sender; Self::ROOM],
    controls: [Control; Self::ROOM],
    told: [Told; Self::ROOM],
}

#[derive(Clone, Copy, Default)]
struct Sender {
    address: Option<SocketAddr>,
}

/// What the kernel says of a datagram.
#[derive(Clone, Copy, Default)]
struct Told {
    bytes: usize,
    control_bytes: usize,
    is_cut: bool,
}

impl std::fmt::Debug for ReceiveBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiveBatch").finish_non_exhaustive()
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        ReceiveBatch {
            data: vec![0; Self::ROOM * SLOT_BYTES].into_boxed_slice(),
            senders: [Sender::default(); Self::ROOM],
            controls: [Control([0; CONTROL_BYTES]); Self::ROOM],
            told: [Told::default(); Self::ROOM],
        }
    }
}

impl ReceiveBatch {
    /// How many datagrams there is room for.
    pub const ROOM: usize = 16;

    /// Receives what there is, at most `ROOM`, each cut to `most_bytes`. Answers how many.
    pub(super) fn receive(&mut self, socket: &impl AsRawFd, most_bytes: usize) -> io::Result<usize> {
        let most_bytes = most_bytes.min(SLOT_BYTES);
        let mut names: [SockAddrStorage; Self::ROOM] = std::array::from_fn(|_| SockAddrStorage::zeroed());
        // SAFETY: both are plain C structs of numbers and pointers, of which all zeroes is a value.
        let mut vectors: [libc::iovec; Self::ROOM] = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; Self::ROOM] = unsafe { std::mem::zeroed() };
        let slots = self.data.chunks_exact_mut(SLOT_BYTES).zip(&mut names).zip(&mut self.controls);
        for ((header, vector), ((slot, name), control)) in headers.iter_mut().zip(&mut vectors).zip(slots) {
            *vector = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: most_bytes };
            header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = name.size_of();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES;
        }
        let room = u32::try_from(Self::ROOM).unwrap_or(0);
        // SAFETY: each header points to a name, a vector and a control buffer of its own, with their true lengths, which
        // live and stay where they are until the call returns; each vector points into a slot of its own that is at least
        // as long; there are `room` headers.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                room,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else { return Err(io::Error::last_os_error()) };
        let told = self.told.iter_mut().zip(&mut self.senders);
        for ((header, name), (told, sender)) in headers.iter().zip(names).take(count).zip(told) {
            *told = Told {
                bytes: usize::try_from(header.msg_len).unwrap_or(0).min(most_bytes),
                control_bytes: header.msg_hdr.msg_controllen.min(CONTROL_BYTES),
                is_cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            };
            let length = header.msg_hdr.msg_namelen;
            sender.address = if usize::try_from(length).unwrap_or(0) >= size_of::<libc::sockaddr_in>() {
                // SAFETY: the kernel has written an address of that length, which is more than its family.
                unsafe { SockAddr::new(name, length) }.as_socket()
            } else {
                None
            };
        }
        Ok(count)
    }

    /// One of the datagrams that were received last.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Received<'_>> {
        let told = self.told.get(at)?;
        let slot = self.data.chunks_exact(SLOT_BYTES).nth(at)?;
        let control = self.controls.get(at)?.0.get(..told.control_bytes)?;
        Some(Received {
            data: slot.get(..told.bytes)?,
            from: self.senders.get(at)?.address,
            to: packet_info::destination(control),
            is_cut: told.is_cut,
        })
    }
}
