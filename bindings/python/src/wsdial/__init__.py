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
from .frames import Close, CloseCode, State
from .http import Headers, Request, Response
from .sync import connect

__all__ = [
    "Close",
    "CloseCode",
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
    "Request",
    "Response",
    "State",
    "WebSocketException",
    "__version__",
    "connect",
]
