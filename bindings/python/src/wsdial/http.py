"""What the server answered to the handshake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ctypes import byref, c_char_p, c_void_p
from dataclasses import dataclass, field
from typing import Callable


class Headers(Mapping[str, str]):
    """Header fields in the order in which they came; names are looked up without regard to case.

    A field that came several times is no single value: indexing it raises ``KeyError`` with all of them, and
    ``get_all`` returns them.
    """

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = list(fields)

    def get_all(self, name: str) -> list[str]:
        """Every value of that name."""
        return [value for key, value in self._fields if key.lower() == name.lower()]

    def raw_items(self) -> Iterator[tuple[str, str]]:
        """Every field as it came."""
        return iter(self._fields)

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if len(values) != 1:
            raise KeyError(name if not values else f"{name} came {len(values)} times: {values}")
        return values[0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key.lower() for key, _ in self._fields))

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


@dataclass(frozen=True)
class Response:
    """An answer: 101 for a connection; of a rejection its status, its headers and the start of its body."""

    status_code: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


def read_headers(at: Callable[..., bytes | None], handle: c_void_p) -> Headers:
    """The fields that the library gives out by position."""
    name = c_char_p()
    fields: list[tuple[str, str]] = []
    while (value := at(handle, len(fields), byref(name))) is not None:
        fields.append(((name.value or b"").decode("latin-1"), value.decode("utf-8", "surrogateescape")))
    return Headers(fields)
