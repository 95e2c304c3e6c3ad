//! A data plane is made, given a configuration, started and ended; what is refused on the way leaves nothing behind.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use ferryman_dataplane::model::address::Address;
use ferryman_dataplane::model::listener::Listener;
use ferryman_dataplane::proxy::{Event, Presentation, Proxy};

use crate::rig::{Golden, golden};

fn proxy() -> (Proxy, Golden) {
    let mut golden = golden();
    golden.bootstrap.admin = None;
    golden.bootstrap.concurrency = 2;
    let free = Address::Socket {
        ip: Ipv4Addr::LOCALHOST.to_string(),
        port: 0,
        ipv4_compat: false,
        network_namespace: None,
    };
    golden.listeners.iter_mut().for_each(|listener| listener.addresses = vec![free.clone()]);
    (Proxy::new(golden.bootstrap.clone(), Presentation::default()).unwrap(), golden)
}

fn at(listener: &Listener, address: Address) -> Listener {
    let mut listener = listener.clone();
    listener.addresses = vec![address];
    listener
}

#[test]
fn it_starts_after_a_configuration_was_applied_and_tells_when_it_has_ended() {
    let (mut proxy, golden) = proxy();
    let events = proxy.events();
    assert!(proxy.start(false).is_err(), "there is nothing to serve");
    proxy.apply(golden.clusters, golden.listeners).unwrap();
    proxy.start(false).unwrap();
    assert!(events.next(Some(Duration::ZERO)).is_none());
    proxy.shutdown(true);
    let event = events.next(Some(Duration::from_secs(20)));
    assert!(matches!(event, Some(Event::Stopped)), "{event:?}");
    proxy.close();
    assert!(proxy.start(false).is_err(), "it starts once");
}

#[test]
fn what_was_bound_is_closed_when_the_rest_cannot_be_had() {
    let (mut proxy, golden) = proxy();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let name = format!("ferryman-half-applied-{}", std::process::id());
    let first = at(&golden.listeners[0], Address::Pipe { path: format!("@{name}"), mode: 0 });
    let ip = Ipv4Addr::LOCALHOST.to_string();
    let second =
        at(&golden.listeners[0], Address::Socket { ip, port, ipv4_compat: false, network_namespace: None });
    let error = proxy.apply(golden.clusters.clone(), vec![first.clone(), second]).unwrap_err();
    assert!(error.contains(&format!("cannot bind '127.0.0.1:{port}': Address already in use")), "{error}");
    assert!(proxy.listener_addresses().is_empty());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    assert!(UnixStream::connect_addr(&address).is_err(), "the first listener is closed again");
    proxy.apply(golden.clusters, vec![first]).unwrap();
    assert!(UnixStream::connect_addr(&address).is_ok());
}

#[test]
fn a_program_has_its_signals_back_when_the_proxy_is_closed() {
    let handler = || {
        let mut handler = std::mem::MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: it only asks, and what was asked for is written when the answer is 0.
        unsafe {
            assert_eq!(libc::sigaction(libc::SIGTERM, std::ptr::null(), handler.as_mut_ptr()), 0);
            handler.assume_init().sa_sigaction
        }
    };
    for _ in 0..2 {
        assert_eq!(handler(), libc::SIG_DFL);
        let (mut proxy, golden) = proxy();
        proxy.apply(golden.clusters, golden.listeners).unwrap();
        proxy.start(true).unwrap();
        assert_ne!(handler(), libc::SIG_DFL);
        // SAFETY: the signal goes to this process, which has a handler for it.
        assert_eq!(unsafe { libc::raise(libc::SIGTERM) }, 0);
        let event = proxy.events().next(Some(Duration::from_secs(20)));
        assert!(matches!(event, Some(Event::Stopped)), "{event:?}");
        proxy.close();
    }
    assert_eq!(handler(), libc::SIG_DFL);
}
