"""One message of a gigabyte, there and back, in constant memory. usage: large.py [url [ca.pem [MiB]]]

It is sent in pieces of one megabyte and received into one buffer of 256 KiB.
"""

import resource
import sys
import threading
from collections.abc import Iterator

import wsdial

MIB = 2**20


def main() -> int:
    uri = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:12345"
    ca_file = (sys.argv[2] if len(sys.argv) > 2 else "") or None
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 1024

    def pieces() -> Iterator[bytes]:
        piece = bytes(range(256)) * (MIB // 256)
        for _ in range(size):
            yield piece

    try:
        with wsdial.connect(uri, ca_file=ca_file, max_size=None, compression=None) as ws:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            sender = threading.Thread(target=ws.send, args=(pieces(),))
            sender.start()
            buffer = bytearray(MIB // 4)
            received, final = 0, False
            while not final:
                got, _, final = ws.recv_into(buffer, timeout=30)
                if got and buffer[0] != received % 256:
                    print("large: other bytes came back", file=sys.stderr)
                    return 1
                received += got
            sender.join()
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"received: {received // MIB} MiB in one message; memory grew by {grown // 1024} MiB")
        print(f"closed cleanly: {ws.close_code}")
        if grown > 32 * 1024:
            print("large: that is not constant memory", file=sys.stderr)
            return 1
    except (wsdial.WebSocketException, OSError) as error:
        print(f"large: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
