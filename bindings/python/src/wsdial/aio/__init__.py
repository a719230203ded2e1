"""The client for asyncio: what :mod:`wsdial` is for threads, in the shape of ``websockets.asyncio.client``."""

from .client import connect, unix_connect
from .connection import ClientConnection
from .reconnect import backoff, process_exception

__all__ = ["ClientConnection", "backoff", "connect", "process_exception", "unix_connect"]
