"""TLS with a root certificate of one's own: by the library, and by an SSLContext. usage: tls.py wss://url ca.pem [cert key]"""

import ssl
import sys

import wsdial


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    uri, ca_file = sys.argv[1:3]
    try:
        # The root beside those of the operating system.
        with wsdial.connect(uri, ca_file=ca_file) as ws:
            ws.send("by the library")
            print(f"received: {ws.recv(timeout=5)}")
        # Any SSLContext, used as it is: only this root, a client certificate, versions, ciphers, key logs.
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if len(sys.argv) > 4:
            context.load_cert_chain(sys.argv[3], sys.argv[4])
        with wsdial.connect(uri, ssl=context) as ws:
            ws.send("by an SSLContext")
            print(f"received: {ws.recv(timeout=5)}")
        print(f"closed cleanly: {ws.close_code}")
    except (wsdial.WebSocketException, OSError) as error:
        print(f"tls: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
