"""A WebSocket client in the shape of ``websockets.sync.client``, over the C ABI of wsdial."""

from ._lib import __version__
from .connection import Connection, Message
from .exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    WebSocketException,
)
from .http import Headers, Response
from .sync import connect

__all__ = [
    "ConcurrencyError",
    "Connection",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Headers",
    "InvalidHandshake",
    "InvalidMessage",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "Message",
    "NegotiationError",
    "Response",
    "WebSocketException",
    "__version__",
    "connect",
]
