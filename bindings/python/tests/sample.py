"""A typed program, for mypy and pyright in their strict modes: what a user sees of the package."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Union

import wsdial


def pieces() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


def talk(uri: str, context: ssl.SSLContext) -> Union[str, bytes, None]:
    with wsdial.connect(uri, subprotocols=["json"], ssl=context, additional_headers={"X": "y"}, max_size=None) as ws:
        picked: Union[str, None] = ws.subprotocol
        ws.send("text")
        ws.send(b"binary", text=True)
        ws.send(pieces())
        text: str = ws.recv(timeout=5, decode=True)
        data: bytes = ws.recv(decode=False)
        for message in ws:
            if isinstance(message, str):
                text += message
        for piece in ws.recv_streaming(decode=False):
            data += piece
        size, is_text, final = ws.recv_into(bytearray(1000))
        if ws.ping().wait(1) and ws.latency < 1 and size and is_text and final and picked:
            ws.close(1000, text)
        return ws.close_reason


def again(uri: str) -> None:
    for ws in wsdial.reconnect(uri):
        try:
            ws.send("hello")
        except wsdial.ConnectionClosed as error:
            code: int = error.rcvd.code if error.rcvd else 1006
            print(code)
        break
