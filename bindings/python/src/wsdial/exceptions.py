"""The exceptions, by the names and attributes of ``websockets.exceptions``, and which failure becomes which.

Failures that are not WebSocket's own are Python's: ``TimeoutError``, ``OSError`` with its ``errno``, ``socket.gaierror``,
``ssl.SSLError``, ``ValueError``. Every exception made from a failure of the library has ``error_code``, the number of
wsdial.h, and says the library's sentence, which has the host and the phase in it.
"""

from __future__ import annotations

import ctypes
import operator
from ctypes import byref, c_size_t, c_void_p
from typing import Any, TypeVar

from . import _lib
from ._lib import lib
from .frames import OK_CODES, Close, CloseCode
from .http import Response, read_headers, response

_E = TypeVar("_E", bound=Exception)


class WebSocketException(Exception):
    """The base of all."""

    #: The number of wsdial.h, when the library said so.
    error_code: int | None = None
    #: The library's sentence.
    message: str | None = None

    def _said(self) -> str:
        """What is said when the library said nothing."""
        return Exception.__str__(self)

    def __str__(self) -> str:
        return self.message or self._said()


class ConnectionClosed(WebSocketException):
    """The connection is over. ``rcvd`` and ``sent`` are the close frames, ``None`` for one that there was not."""

    def __init__(self, rcvd: Close | None, sent: Close | None, rcvd_then_sent: bool | None = None) -> None:
        super().__init__(rcvd, sent, rcvd_then_sent)
        self.rcvd, self.sent, self.rcvd_then_sent = rcvd, sent, rcvd_then_sent

    def __str__(self) -> str:
        if self.rcvd and self.sent:
            came, went = f"received {self.rcvd}", f"sent {self.sent}"
            said = f"{came}; then {went}" if self.rcvd_then_sent else f"{went}; then {came}"
        elif self.rcvd:
            said = f"received {self.rcvd}; no close frame sent"
        elif self.sent:
            said = f"sent {self.sent}; no close frame received"
        else:
            said = "no close frame received or sent"
        return f"{said}: {self.message}" if self.message else said

    @property
    def code(self) -> int:
        """The server's close code; 1006 when no close frame came."""
        return int(self.rcvd.code) if self.rcvd else int(CloseCode.ABNORMAL_CLOSURE)

    @property
    def reason(self) -> str:
        """The server's reason."""
        return self.rcvd.reason if self.rcvd else ""


class ConnectionClosedOK(ConnectionClosed):
    """It ended as it should: code 1000, 1001, or none."""


class ConnectionClosedError(ConnectionClosed):
    """It ended by a failure, or with a code that tells of one."""


class InvalidURI(WebSocketException):
    """The address cannot be dialed."""

    def __init__(self, uri: str, msg: str) -> None:
        super().__init__(uri, msg)
        self.uri, self.msg = uri, msg

    def _said(self) -> str:
        return f"{self.uri} isn't a valid URI: {self.msg}"


class InvalidProxy(WebSocketException):
    """The proxy's address cannot be used."""

    def __init__(self, proxy: str, msg: str) -> None:
        super().__init__(proxy, msg)
        self.proxy, self.msg = proxy, msg

    def _said(self) -> str:
        return f"{self.proxy} isn't a valid proxy: {self.msg}"


class InvalidHandshake(WebSocketException):
    """The handshake did not lead to a connection."""


class SecurityError(InvalidHandshake):
    """A limit of the handshake, or a redirect that is not followed."""


class RequestLineTooLong(SecurityError):
    """Of servers: never raised here."""


class StatusLineTooLong(SecurityError):
    """The status line of the answer is over the limit."""


class HeaderLineTooLong(SecurityError):
    """The head of the answer is over its limit."""


class TooManyHeaders(SecurityError):
    """The answer has too many header fields."""


class ProxyError(InvalidHandshake):
    """The proxy did not lead to the server."""


class InvalidProxyMessage(ProxyError):
    """The proxy's answer is malformed."""


class InvalidProxyStatus(ProxyError):
    """The proxy refused; ``response`` is its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response

    def _said(self) -> str:
        return f"proxy rejected connection: HTTP {self.response.status_code}"


class InvalidMessage(InvalidHandshake):
    """The server's answer is no well-formed HTTP/1.1, is over a limit (``__cause__``), or broke off (``EOFError``)."""


class InvalidMethod(InvalidHandshake):
    """Of servers: never raised here."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.method = method

    def _said(self) -> str:
        return f"unsupported HTTP method: {self.method}"


class InvalidProtocol(InvalidHandshake):
    """Of servers: never raised here."""

    def __init__(self, protocol: str) -> None:
        super().__init__(protocol)
        self.protocol = protocol

    def _said(self) -> str:
        return f"unsupported HTTP version: {self.protocol}"


class InvalidStatus(InvalidHandshake):
    """The server answered something else than 101; ``response`` holds it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response

    def _said(self) -> str:
        return f"server rejected WebSocket connection: HTTP {self.response.status_code}"


class InvalidHeader(InvalidHandshake):
    """A header field does not say what it must."""

    def __init__(self, name: str, value: str | None = None) -> None:
        super().__init__(name, value)
        self.name, self.value = name, value

    def _said(self) -> str:
        if self.value:
            return f"invalid {self.name} header: {self.value}"
        return f"{'missing' if self.value is None else 'empty'} {self.name} header"


class InvalidHeaderFormat(InvalidHeader):
    """A header field cannot be parsed."""

    def __init__(self, name: str, error: str, header: str, pos: int) -> None:
        super().__init__(name, f"{error} at {pos} in {header}")


class InvalidHeaderValue(InvalidHeader):
    """A header field has a value that it must not have."""


class InvalidOrigin(InvalidHeader):
    """Of servers: never raised here."""

    def __init__(self, origin: str | None) -> None:
        super().__init__("Origin", origin)


class InvalidUpgrade(InvalidHeader):
    """``Upgrade`` or ``Connection`` of the answer do not say what they must."""


class NegotiationError(InvalidHandshake):
    """The server chose a subprotocol or an extension that was not offered."""


class DuplicateParameter(NegotiationError):
    """An extension's parameter came twice."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def _said(self) -> str:
        return f"duplicate parameter: {self.name}"


class InvalidParameterName(NegotiationError):
    """An extension has a parameter that it does not know."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def _said(self) -> str:
        return f"invalid parameter name: {self.name}"


class InvalidParameterValue(NegotiationError):
    """An extension's parameter has a value that it must not have."""

    def __init__(self, name: str, value: str | None) -> None:
        super().__init__(name, value)
        self.name, self.value = name, value

    def _said(self) -> str:
        if self.value:
            return f"invalid value for parameter {self.name}: {self.value}"
        return f"{'missing' if self.value is None else 'empty'} value for parameter {self.name}"


class ProtocolError(WebSocketException):
    """A frame breaks the protocol: the ``__cause__`` of the ``ConnectionClosedError`` that tells of it."""


class PayloadTooBig(WebSocketException):
    """A message is over ``max_size``: the ``__cause__`` of the ``ConnectionClosedError`` that tells of it."""


class TooManyFragments(WebSocketException):
    """Never raised here: fragments cost nothing that a limit on their number would save."""


class InvalidState(WebSocketException, AssertionError):
    """Never raised here: a connection in the wrong state is a ``ConnectionClosed``."""


class ConcurrencyError(WebSocketException, RuntimeError):
    """Two threads receive, or send fragments of a message, on one connection."""


# The failures of wsdial.h.
E_USAGE_RECEIVER, E_USAGE_FORKED = -104, -105
E_USAGE_CONTROL = (-107, -108, -109)  # a close code, a close reason, a ping or pong
E_RESOLVE, E_TIMEOUT, E_CANCELLED, E_INTERRUPTED, E_MEMORY = -301, -304, -305, -306, -704
E_REJECTED, E_INTERNAL = -501, -901
E_LIMIT_MESSAGE, E_ABNORMAL_PING = -701, -803


def failure(result: int, error: c_void_p, uri: str | None = None) -> Exception:
    """The exception for a call that failed without a connection's end: a setting, a dial. Frees the error."""
    if not error:
        return _plain(result, text(lib.ws_strerror(result)), uri)
    try:
        exception = _make(result, error, uri)
    finally:
        lib.ws_error_free(error)
    return exception


def closed(handle: Any, sent: Close | None, result: int = _lib.CLOSED, error: c_void_p | None = None) -> Exception:
    """The exception for a connection that is over. Frees the error.

    ``sent`` is the close frame that the caller sent first, if so; ``result`` what the call answered that told of the
    end, ``error`` its failure.
    """
    if result == _lib.CLOSED:
        rcvd = close_received(handle)
        if rcvd is None:
            return ConnectionClosedError(None, sent)
        kind = ConnectionClosedOK if rcvd.code in OK_CODES else ConnectionClosedError
        return kind(rcvd, sent or Close(rcvd.code), sent is None)
    if not error:
        return ConnectionClosedError(None, sent)
    try:
        code, said = lib.ws_error_close_code(error), text(lib.ws_error_message(error))
        number = lib.ws_error_os_error(error)
    finally:
        lib.ws_error_free(error)
    if sent is None and code not in (0, CloseCode.ABNORMAL_CLOSURE):
        sent = Close(code, "keepalive ping timeout" if result == E_ABNORMAL_PING else "")
    exception = _tell(ConnectionClosedError(None, sent), result, said)
    exception.__cause__ = _cause(result, number, said)
    return exception


def sendable(code: Any) -> int:
    """A close code as a number; which numbers may be sent is for the library to say, to which 0 is none at all."""
    number = operator.index(code)
    if number == 0:
        said = "close code 0 is not one of 1000 to 1003, 1007 to 1014 and 3000 to 4999"
        raise _tell(_NotSendable(said), E_USAGE_CONTROL[0], said)
    return number


def close_received(handle: Any) -> Close | None:
    """The server's close frame, or ``None`` when none came."""
    code = lib.ws_close_code(handle)
    size = c_size_t()
    reason = lib.ws_close_reason(handle, byref(size))
    if not code or code == CloseCode.ABNORMAL_CLOSURE:
        return None
    return Close(code, ctypes.string_at(reason, size.value).decode() if reason else "")


def ends_connection(result: int) -> bool:
    """Whether a connection's call that answered this tells that the connection is over."""
    return result == _lib.CLOSED or result <= -300


def _cause(result: int, number: int, said: str) -> BaseException | None:
    if result == E_LIMIT_MESSAGE:
        return PayloadTooBig(said)
    if -700 < result <= -600:
        return ProtocolError(said)
    if number:
        return OSError(number, said)
    return EOFError(said) if result in (-801, -802) else None


def _make(result: int, error: c_void_p, uri: str | None) -> Exception:
    message = text(lib.ws_error_message(error))
    number = lib.ws_error_os_error(error)
    if result == E_RESOLVE:
        import socket

        return _tell(socket.gaierror(number or socket.EAI_FAIL, message), result, None)
    if -350 < result <= -302 and result not in (E_TIMEOUT, E_CANCELLED, E_INTERRUPTED):
        # OSError makes ConnectionRefusedError and its like of the number by itself.
        return _tell(OSError(number, message) if number else OSError(message), result, None)
    if result == E_REJECTED:
        return _tell(InvalidStatus(_response(error)), result, message)
    if -400 < result <= -350 and lib.ws_error_http_status(error):
        return _tell(InvalidProxyStatus(_response(error)), result, message)
    return _plain(result, message, uri)


def _plain(result: int, message: str, uri: str | None) -> Exception:
    """The exceptions that need no more than the sentence."""
    if result == E_MEMORY:
        return _tell(MemoryError(message), result, None)
    if result in (E_TIMEOUT, E_CANCELLED, E_INTERRUPTED):
        kind = {E_TIMEOUT: TimeoutError, E_CANCELLED: ConnectionAbortedError, E_INTERRUPTED: InterruptedError}[result]
        return _tell(kind(message), result, None)
    if result == E_USAGE_RECEIVER:
        return _tell(ConcurrencyError(message), result, message)
    if result == E_USAGE_FORKED:
        return _tell(RuntimeError(message), result, None)
    if result in E_USAGE_CONTROL:
        # What breaks the protocol in `websockets`' words is a ValueError in everybody's.
        return _tell(_NotSendable(message), result, message)
    if -250 <= result <= -201:
        return _tell(InvalidURI(uri or "", message), result, message)
    if -300 < result <= -101:
        return _tell(ValueError(message), result, None)
    if -400 < result <= -350:
        kind_of_proxy = InvalidProxyMessage if result in (-354, -355) else ProxyError
        return _tell(kind_of_proxy(message), result, message)
    if -500 < result <= -401:
        import ssl

        kind_of_tls = ssl.SSLCertVerificationError if result <= -410 else ssl.SSLError
        return _tell(kind_of_tls(1, message), result, None)
    return _tell(_handshake(result, message), result, message)


class _NotSendable(ProtocolError, ValueError):
    """A control frame that must not be sent; nothing was."""


_NotSendable.__name__ = _NotSendable.__qualname__ = "ProtocolError"


def _handshake(result: int, message: str) -> WebSocketException:
    if result in (-522, -523):
        return InvalidUpgrade("Upgrade" if result == -522 else "Connection")
    if result == -524:
        return InvalidHeaderValue("Sec-WebSocket-Accept")
    if result in (-525, -526, -527):
        return NegotiationError(message)
    if result in (-520, -521, -528, -702, -703) or -900 < result <= -801:
        exception = InvalidMessage(message)
        causes: dict[int, type[Exception]] = {-702: HeaderLineTooLong, -703: TooManyHeaders}
        kind = causes.get(result, EOFError if result in (-528, -801, -802) else ValueError)
        exception.__cause__ = kind(message)
        return exception
    return WebSocketException(message) if result == E_INTERNAL else InvalidHandshake(message)


def _tell(exception: _E, result: int, message: str | None) -> _E:
    exception.error_code = result  # type: ignore[attr-defined]
    if message is not None:
        exception.message = message  # type: ignore[attr-defined]
    return exception


def _response(error: c_void_p) -> Response:
    size = c_size_t()
    body = lib.ws_error_http_body(error, byref(size))
    return response(
        lib.ws_error_http_status(error),
        read_headers(lib.ws_error_http_header_at, error),
        ctypes.string_at(body, size.value) if body else b"",
    )


def text(raw: bytes | None) -> str:
    """A sentence of the library's."""
    return (raw or b"").decode("utf-8", "surrogateescape")
