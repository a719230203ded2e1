"""A WebSocket echo server on Python's ssl, which is OpenSSL: server.py CERT KEY [OPTION...].

  --ca FILE       asks for client certificates of this authority, and takes no others
  --optional      takes who has none too
  --versions A B  the lowest and the highest version of TLS: 1.1, 1.2, 1.3
  --ciphers TEXT  for OpenSSL, as `ALL:@SECLEVEL=0`
  --alpn NAME     the only protocol that it speaks

Says `listening ws=PORT wss=PORT` (twice the same), then for each connection `reused=0|1 client=NAME`.
"""
import argparse
import base64
import hashlib
import socket
import ssl
import struct
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def exactly(stream, count):
    data = b""
    while len(data) < count:
        part = stream.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def frame(stream):
    first, second = exactly(stream, 2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", exactly(stream, 2))
    key = exactly(stream, 4)
    return first, bytes(byte ^ key[at % 4] for at, byte in enumerate(exactly(stream, length)))


def echo(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(stream, 1)
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    accept = base64.b64encode(hashlib.sha1(fields[b"Sec-WebSocket-Key"] + GUID).digest())
    stream.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    while True:
        first, payload = frame(stream)
        stream.sendall(bytes([first, len(payload)]) + payload)
        if first == 0x88:
            return


def serve(context, raw):
    try:
        raw.settimeout(20)
        with context.wrap_socket(raw, server_side=True) as stream:
            names = dict(pair[0] for pair in (stream.getpeercert() or {}).get("subject", ()))
            # Said once the client has spoken, so that it is through with its handshake.
            stream.settimeout(20)
            echo(stream)
            print(f"reused={int(stream.session_reused)} client={names.get('commonName', '-')}", flush=True)
            stream.unwrap().close()
    except (OSError, EOFError):
        raw.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cert")
    parser.add_argument("key")
    parser.add_argument("--ca")
    parser.add_argument("--optional", action="store_true")
    parser.add_argument("--versions", nargs=2, default=("1.2", "1.3"))
    parser.add_argument("--ciphers")
    parser.add_argument("--alpn")
    options = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    if options.ciphers:
        context.set_ciphers(options.ciphers)
    context.minimum_version, context.maximum_version = (versions[name] for name in options.versions)
    context.load_cert_chain(options.cert, options.key)
    if options.alpn:
        context.set_alpn_protocols([options.alpn])
    if options.ca:
        context.load_verify_locations(options.ca)
        context.verify_mode = ssl.CERT_OPTIONAL if options.optional else ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    print(f"listening ws={port} wss={port}", flush=True)
    while True:
        raw, _ = listener.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(context, raw), daemon=True).start()


main()
