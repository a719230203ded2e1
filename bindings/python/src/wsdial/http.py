"""The opening handshake's request and answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableMapping
from ctypes import byref, c_char_p, c_void_p
from dataclasses import dataclass, field
from typing import Any, Callable

from .typing import HeadersLike

_VALUE = re.compile(r"[\t -~\x80-\xff]*")


class MultipleValuesError(LookupError):
    """A field that came several times is no single value: ``get_all`` has them."""

    def __str__(self) -> str:
        return repr(self.args[0]) if len(self.args) == 1 else super().__str__()


class Headers(MutableMapping[str, str]):
    """Header fields in the order in which they came; names are looked up without regard to case.

    Setting appends: a name may have several values. Reading one that has several raises :exc:`MultipleValuesError`;
    deleting removes them all. Text that is not ASCII stands for its ISO-8859-1 bytes.
    """

    __slots__ = ("_fields",)

    def __init__(self, *args: HeadersLike, **kwargs: str) -> None:
        self._fields: list[tuple[str, str]] = []
        self.update(*args, **kwargs)

    def get_all(self, key: str) -> list[str]:
        """Every value of that name."""
        wanted = key.lower()
        return [value for name, value in self._fields if name.lower() == wanted]

    def raw_items(self) -> Iterator[tuple[str, str]]:
        """Every field as it came."""
        return iter(self._fields)

    def copy(self) -> Headers:
        """The same fields once more."""
        other = type(self)()
        other._fields = list(self._fields)
        return other

    def serialize(self) -> bytes:
        """The fields as they stand in a head, the empty line included."""
        return str(self).encode("iso-8859-1")

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Appends the fields of others."""
        for other in args:
            for name, value in fields_of(other):
                self[name] = value
        for name, value in kwargs.items():
            self[name] = value

    def clear(self) -> None:
        """Removes every field."""
        self._fields = []

    def __getitem__(self, key: str) -> str:
        values = self.get_all(key)
        if not values:
            raise KeyError(key)
        if len(values) > 1:
            raise MultipleValuesError(key)
        return values[0]

    def __setitem__(self, key: str, value: str) -> None:
        if not _VALUE.fullmatch(str(value)):
            from .exceptions import InvalidHeaderValue

            raise InvalidHeaderValue(key, value)
        self._fields.append((key, value))

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        wanted = key.lower()
        self._fields = [(name, value) for name, value in self._fields if name.lower() != wanted]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and bool(self.get_all(key))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self._fields))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return set(self) == set(other) and all(self.get_all(name) == other.get_all(name) for name in self)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\r\n" for name, value in self._fields) + "\r\n"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._fields!r})"


def fields_of(headers: HeadersLike | None) -> list[tuple[str, str]]:
    """The fields of whatever may stand for header fields."""
    if headers is None:
        return []
    if isinstance(headers, Headers):
        return list(headers.raw_items())
    keys = getattr(headers, "keys", None)
    if keys is not None:
        return [(name, headers[name]) for name in keys()]  # type: ignore[index]
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        raise TypeError(f"header fields must be a mapping or pairs, not {type(headers).__name__}")
    return [(name, value) for name, value in headers]


@dataclass
class Request:
    """The request of the opening handshake."""

    path: str
    headers: Headers
    method: str = "GET"
    protocol: str = "HTTP/1.1"


@dataclass
class Response:
    """An answer: 101 for a connection; of a rejection its status, its headers and the start of its body."""

    status_code: int
    reason_phrase: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


def response(status: int, headers: Headers, body: bytes = b"") -> Response:
    """An answer, with the words that HTTP has for its status: the library does not hand out the server's own."""
    from http import HTTPStatus

    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return Response(status, phrase, headers, body)


def read_headers(at: Callable[..., bytes | None], handle: c_void_p) -> Headers:
    """The fields that the library gives out by position."""
    name = c_char_p()
    headers = Headers()
    fields = headers._fields
    while (value := at(handle, len(fields), byref(name))) is not None:
        fields.append(((name.value or b"").decode("latin-1"), value.decode("latin-1")))
    return headers
