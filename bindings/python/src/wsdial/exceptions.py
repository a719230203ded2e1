"""The exceptions, by the names of ``websockets``, and which failure of the library becomes which.

Failures that are not WebSocket's own are Python's: ``TimeoutError``, ``OSError`` with its ``errno``, ``socket.gaierror``,
``ssl.SSLError``, ``ValueError``. Every exception made from a failure has ``error_code``, the number of wsdial.h.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_size_t, c_void_p

from ._lib import lib
from .http import Response, read_headers


class WebSocketException(Exception):
    """The base of all."""

    error_code: int | None = None


class InvalidURI(WebSocketException):
    """The address cannot be dialed."""

    def __init__(self, uri: str, msg: str) -> None:
        super().__init__(uri, msg)
        self.uri, self.msg = uri, msg

    def __str__(self) -> str:
        return self.msg


class InvalidHandshake(WebSocketException):
    """The handshake did not lead to a connection."""


class InvalidMessage(InvalidHandshake):
    """The server's answer is no well-formed HTTP/1.1, is over a limit, or broke off."""


class InvalidUpgrade(InvalidHandshake):
    """``Upgrade`` or ``Connection`` of the answer do not say what they must."""


class NegotiationError(InvalidHandshake):
    """The server chose a subprotocol or an extension that was not offered."""


class InvalidStatus(InvalidHandshake):
    """The server answered something else than 101; ``response`` holds it."""

    def __init__(self, response: Response, msg: str = "") -> None:
        super().__init__(response, msg)
        self.response, self.msg = response, msg

    def __str__(self) -> str:
        return self.msg or f"server rejected WebSocket connection: HTTP {self.response.status_code}"


class ConcurrencyError(WebSocketException, RuntimeError):
    """Two threads receive on one connection."""


class ConnectionClosed(WebSocketException):
    """The connection is over. ``code`` and ``reason`` tell how: 1005 without a code, 1006 without a close."""

    def __init__(self, code: int, reason: str = "", msg: str = "") -> None:
        super().__init__(code, reason, msg)
        self.code, self.reason, self.msg = code, reason, msg

    def __str__(self) -> str:
        return self.msg or f"connection closed: {self.code}" + (f" {self.reason}" if self.reason else "")


class ConnectionClosedOK(ConnectionClosed):
    """It ended as it should: code 1000, 1001, or none."""


class ConnectionClosedError(ConnectionClosed):
    """It ended by a failure, or with a code that tells of one."""


def closed(code: int, reason: str) -> ConnectionClosed:
    """The exception for the end by a close handshake."""
    kind = ConnectionClosedOK if code in (1000, 1001, 1005) else ConnectionClosedError
    return kind(code, reason)


def from_result(result: int, error: c_void_p, uri: str | None = None) -> BaseException:
    """The exception for a failed call. Frees the error. ``uri`` is set when the call was a dial."""
    if not error:
        return WebSocketException(_text(lib.ws_strerror(result)))
    try:
        exception = _make(lib.ws_error_code(error), error, uri)
    finally:
        lib.ws_error_free(error)
    exception.error_code = result  # type: ignore[attr-defined]
    return exception


def _make(code: int, error: c_void_p, uri: str | None) -> Exception:
    message = _text(lib.ws_error_message(error))
    number = lib.ws_error_os_error(error)
    if code == -104:
        return ConcurrencyError(message)
    if code == -105:
        return RuntimeError(message)
    if -300 < code <= -251 or -200 < code <= -101:
        return ValueError(message)
    if -251 < code <= -201:
        return InvalidURI(uri or "", message)
    if uri is None and code != -901:
        return ConnectionClosedError(lib.ws_error_close_code(error) or 1006, "", message)
    if code == -301:
        import socket

        return socket.gaierror(number or socket.EAI_FAIL, message)
    if code == -304:
        return TimeoutError(message)
    if -400 < code <= -302 or code == -704:
        # OSError makes ConnectionRefusedError and its like of the number by itself.
        return OSError(number, message) if number else OSError(message)
    if -500 < code <= -401:
        import ssl

        kind = ssl.SSLCertVerificationError if code <= -410 else ssl.SSLError
        return kind(1, message)
    if code == -501:
        return InvalidStatus(_response(error), message)
    if code in (-520, -521, -528, -702, -703) or code <= -801:
        return InvalidMessage(message) if code != -901 else WebSocketException(message)
    if code in (-522, -523):
        return InvalidUpgrade(message)
    if code in (-525, -526, -527):
        return NegotiationError(message)
    return InvalidHandshake(message)


def _response(error: c_void_p) -> Response:
    size = c_size_t()
    body = lib.ws_error_http_body(error, byref(size))
    return Response(
        lib.ws_error_http_status(error),
        read_headers(lib.ws_error_http_header_at, error),
        ctypes.string_at(body, size.value) if body else b"",
    )


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "surrogateescape")
