"""Whether somebody else listens on a port already: told before anything is bound.

Owns that question. With `SO_REUSEPORT`, which every listener has unless it is told otherwise, the kernel
lets two processes of one user listen on one port and deals the connections out among them: whoever starts a
proxy twice has half of the requests answered by the former configuration. Binding itself is the data plane's
business.

Follows `enable_reuse_port` of envoy.config.listener.v3.Listener and socket(7).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from ferryman.config import model
from ferryman.errors import StartError


def refuse_ports_in_use(listeners: Iterable[model.Listener]) -> None:
    """Raises StartError for the first address that another socket listens on.

    Addresses that cannot be bound for another reason are left to whoever binds them.
    """
    for listener in listeners:
        if listener.bind_to_port and listener.reuse_port:
            for address in listener.addresses:
                if isinstance(address, model.SocketAddress) and address.port and _is_in_use(address):
                    raise StartError(
                        f"{listener.place}: listener '{listener.name}': cannot bind '{_text(address)}':"
                        " Address already in use; another process listens there"
                        " (--restart-epoch 1 shares the port with it)"
                    )


def _is_in_use(address: model.SocketAddress) -> bool:
    """Binds without `SO_REUSEPORT`, which fails beside a socket that listens; never listens itself."""
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Connections that linger after their end do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address.ipv4_compat else 1)
            probe.bind((address.ip, address.port))
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def _text(address: model.SocketAddress) -> str:
    return f"[{address.ip}]:{address.port}" if ":" in address.ip else f"{address.ip}:{address.port}"
