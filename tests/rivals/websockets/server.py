"""The opponent on Python's websockets. README.md beside this folder says what it answers."""
import asyncio
import ssl
import sys
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Opcode

ends = {}


class Counting(ServerConnection):
    """A connection that also remembers the pings it got; the library answers them by itself and tells nobody."""

    pings = 0
    last_ping = b""

    def process_event(self, event):
        if getattr(event, "opcode", None) is Opcode.PING:
            self.pings += 1
            self.last_ping = bytes(event.data)
        super().process_event(event)


def pattern(kind, size):
    if kind == "text":
        return "aé€😀".encode() * (size // 10)
    return bytes((i * 31 + 7) % 256 for i in range(256)) * (size // 256) + bytes(
        (i * 31 + 7) % 256 for i in range(size % 256)
    )


def end_of(name):
    return ends.setdefault(name, asyncio.get_running_loop().create_future())


async def fragments(connection, data, count):
    step = max(1, len(data) // count)
    for start in range(0, len(data), step):
        await connection.ping()
        yield data[start : start + step]


async def obey(connection, words):
    match words:
        case ["name", name]:
            connection.name = name
            await connection.send(f"named {name}")
        case ["closed", name]:
            await connection.send(await asyncio.wait_for(end_of(name), 10))
        case ["ping", text]:
            pong = await connection.ping(text)
            await pong
            await connection.send(f"pong {text}")
        case ["pings"]:
            await connection.send(f"{connection.pings} {connection.last_ping.decode()}")
        case ["send", kind, size]:
            await connection.send(pattern(kind, int(size)), text=kind == "text")
        case ["fragments", kind, size, count]:
            data = pattern(kind, int(size))
            await connection.send(fragments(connection, data, int(count)), text=kind == "text")
        case ["invalid"]:
            await connection.send(b"fine \xff not", text=True)
        case ["close", code, *reason]:
            await connection.close(int(code), " ".join(reason))
        case _:
            raise ValueError(f"not a command: {words}")


async def handle(connection):
    connection.name = None
    try:
        async for message in connection:
            if isinstance(message, str) and message.startswith("do "):
                await obey(connection, message.split(" ")[1:])
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass
    await connection.wait_closed()
    if connection.name is not None:
        end_of(connection.name).set_result(f"{connection.close_code} {connection.close_reason}")


def reject(connection, request):
    if not request.path.startswith("/reject"):
        return None
    response = connection.respond(HTTPStatus.FORBIDDEN, "not today")
    response.headers["X-Reason"] = "sunday"
    return response


def choose(_connection, offered):
    return "json" if "json" in offered else None


async def main():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(sys.argv[1], sys.argv[2])
    options = {
        "create_connection": Counting,
        "process_request": reject,
        "select_subprotocol": choose,
        "max_size": None,
        "ping_interval": None,
        # No limits of its own on the windows: whatever is offered is taken.
        "compression": None,
        "extensions": [ServerPerMessageDeflateFactory()],
    }
    async with (
        serve(handle, "127.0.0.1", 0, **options) as plain,
        serve(handle, "127.0.0.1", 0, ssl=tls, **options) as secure,
    ):
        ports = [server.sockets[0].getsockname()[1] for server in (plain, secure)]
        print(f"listening ws={ports[0]} wss={ports[1]}", flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
