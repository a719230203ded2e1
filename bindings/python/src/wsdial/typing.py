"""The types in the signatures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NewType, Protocol, Union

if TYPE_CHECKING:
    import logging

    from .http import Headers

    LoggerLike = Union[logging.Logger, logging.LoggerAdapter[Any]]
else:
    # Importing logging costs more than the rest of the package.
    LoggerLike = Any

#: What a message is when it comes: ``str`` for text, ``bytes`` for binary.
Data = Union[str, bytes]

#: What is bytes enough to be sent; any other object with a contiguous buffer (``array``, numpy's) is taken as well.
BytesLike = Union[bytes, bytearray, memoryview]

#: What may be sent.
DataLike = Union[str, bytes, bytearray, memoryview]

#: A path of a file.
PathLike = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

#: Value of the ``Origin`` header field.
Origin = NewType("Origin", str)

#: A subprotocol's name.
Subprotocol = NewType("Subprotocol", str)


class SupportsKeysAndGetItem(Protocol):
    """As much of a mapping as header fields need."""

    def keys(self) -> Iterable[str]: ...

    def __getitem__(self, key: str, /) -> str: ...


#: Where header fields are expected.
HeadersLike = Union["Headers", Mapping[str, str], Iterable["tuple[str, str]"], SupportsKeysAndGetItem]
