"""``http.cookiejar`` around the handshake: a WebSocket is asked for as the page of the same address would be."""

from __future__ import annotations

import email.message
import http.cookiejar
import urllib.request
from typing import Any, cast

from .http import Headers


class _Answer:
    """As much of an HTTP response as a jar looks at."""

    def __init__(self, headers: Headers) -> None:
        self._message = email.message.Message()
        for name, value in headers.raw_items():
            self._message[name] = value

    def info(self) -> email.message.Message:
        return self._message


def _request(uri: str) -> urllib.request.Request:
    scheme, colon, rest = uri.partition(":")
    return urllib.request.Request({"ws": "http", "wss": "https"}.get(scheme.lower(), scheme) + colon + rest)


def cookie_field(jar: http.cookiejar.CookieJar, uri: str) -> str | None:
    """The ``Cookie`` field for a request to that address."""
    request = _request(uri)
    jar.add_cookie_header(request)
    return request.get_header("Cookie")


def store(jar: http.cookiejar.CookieJar, uri: str, headers: Headers) -> None:
    """Gives the jar the ``Set-Cookie`` fields of an answer."""
    jar.extract_cookies(cast(Any, _Answer(headers)), _request(uri))
