"""The close frame's vocabulary and the states of a connection (RFC 6455 4, 7.4)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.IntEnum):
    """What a connection is in: RFC 6455's words."""

    CONNECTING, OPEN, CLOSING, CLOSED = range(4)


class CloseCode(enum.IntEnum):
    """The registered close codes."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RCVD = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


_WORDS = {
    1000: "OK",
    1005: "no status received [internal]",
    1006: "abnormal closure [internal]",
    1007: "invalid frame payload data",
    1015: "TLS handshake failure [internal]",
}

#: The codes that are no failure: done, going away, none given.
OK_CODES = frozenset((1000, 1001, 1005))


@dataclass
class Close:
    """What a close frame says: 1005 stands for a frame without a code."""

    code: int
    reason: str = ""

    def __str__(self) -> str:
        if 3000 <= self.code < 5000:
            word = "registered" if self.code < 4000 else "private use"
        elif self.code in _WORDS:
            word = _WORDS[self.code]
        else:
            try:
                word = CloseCode(self.code).name.replace("_", " ").lower()
            except ValueError:
                word = "unknown"
        return f"{self.code} ({word})" + (f" {self.reason}" if self.reason else "")
