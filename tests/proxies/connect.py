"""A proxy for CONNECT that takes every name for 127.0.0.1's: connect.py [USER:PASSWORD]. Says its port, and ends with its input."""

import asyncio
import base64
import sys

WANTED = b"basic " + base64.b64encode(sys.argv[1].encode()) if len(sys.argv) > 1 else None


async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(reader, writer):
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    given = [line.split(b":", 1)[1].strip() for line in lines if line.lower().startswith(b"proxy-authorization:")]
    if WANTED and [b"basic " + value.split(b" ")[-1] for value in given] != [WANTED]:
        writer.write(b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="tests"\r\nContent-Length: 12\r\n\r\nwho are you?')
        return writer.close()
    there, back = await asyncio.open_connection("127.0.0.1", int(lines[0].split(b" ")[1].rsplit(b":", 1)[1]))
    writer.write(b"HTTP/1.1 200 Yes\r\n\r\n")
    await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
