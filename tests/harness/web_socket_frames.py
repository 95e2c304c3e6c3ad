"""The frames of a WebSocket, as one end sees them.

Owns: what came, frame by frame, however the bytes were cut. The frames are the library's (wsproto).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import wsproto.events as happened
from wsproto.connection import Connection, ConnectionType
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

DEFLATE = "permessage-deflate"
Frame = list[object]
"""What kind of frame, and what it says."""


class Frames:
    """One end of a WebSocket that is open."""

    def __init__(self, is_client: bool, deflates: bool = False) -> None:
        extensions: list[Extension] = [_deflate(is_client)] if deflates else []
        self.wire = Connection(ConnectionType.CLIENT if is_client else ConnectionType.SERVER, extensions)
        self.seen: list[Frame] = []
        self._begun: str | bytes | bytearray = ""

    def receive(self, data: bytes) -> Iterator[happened.Event]:
        """Takes bytes; yields the messages that are whole, pings and closes, each before the next is read."""
        try:
            self.wire.receive_data(data)
            for event in self.wire.events():
                if whole := self._keep(event):
                    yield whole
        except RemoteProtocolError as error:
            self.seen.append(["malformed", str(error)])
            if error.event_hint:
                yield error.event_hint
        except LocalProtocolError:
            # Whether something still comes after a close is a matter of time.
            return

    def send(self, event: happened.Event) -> bytes:
        """The bytes of a frame; none if no frame may follow."""
        try:
            return self.wire.send(event)
        except LocalProtocolError:
            return b""

    def _keep(self, event: happened.Event) -> happened.Event | None:
        """The event, with all that its frame says; none: it is not whole."""
        match event:
            case happened.Message():
                begun = event.data if not self._begun else self._begun + event.data  # type: ignore[operator]
                self._begun = begun
                if not event.frame_finished:
                    return None
                self.seen.append([type(event).__name__, _short(begun), event.message_finished])
                self._begun = ""
                return dataclasses.replace(event, data=begun)
            case happened.CloseConnection():
                self.seen.append(["Close", int(event.code), event.reason or ""])
            case happened.Ping() | happened.Pong():
                self.seen.append([type(event).__name__, _short(event.payload)])
        return event


def _deflate(is_client: bool) -> PerMessageDeflate:
    extension = PerMessageDeflate()
    if is_client:
        extension.finalize(DEFLATE)
    else:
        extension.accept(DEFLATE)
    return extension


def _short(data: str | bytes | bytearray) -> str:
    text = data if isinstance(data, str) else bytes(data).decode("latin-1")
    return text if len(text) < 200 else f"{len(text)}, {sum(map(ord, text))}"
