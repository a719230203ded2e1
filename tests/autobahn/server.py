# The fuzzing server of the Autobahn testsuite (Python 2.7), on a free port of 127.0.0.1 and on no other interface.
#
# Usage: server.py SITE OUTDIR CASE...     SITE is where the suite is installed, CASE is a number or a pattern (1.*).
# Prints "listening PORT" once it takes connections, and runs until it is ended.
from __future__ import print_function

import os
import site
import socket
import sys


def bound_to_loopback():
    """A listening socket that nobody outside this machine can reach."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    listening.listen(50)
    listening.setblocking(False)
    return listening


def end_with_the_parent():
    """The runner may be killed; its server must not outlive it (prctl 1 is PR_SET_PDEATHSIG)."""
    import ctypes
    import signal

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() == 1:
        sys.exit("the runner is gone")


def main():
    site_dir, outdir, cases = sys.argv[1], sys.argv[2], sys.argv[3:]
    # addsitedir, not sys.path: namespace packages (zope) come by .pth files.
    sys.path.insert(0, site_dir)
    site.addsitedir(site_dir)
    end_with_the_parent()

    from autobahntestsuite import fuzzing
    from twisted.internet import reactor

    listening = bound_to_loopback()
    port = listening.getsockname()[1]

    def adopt(factory, context, *_args, **_kwargs):
        assert context is None
        return reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, factory)

    # The suite itself calls listenWS without an interface, which means all of them.
    fuzzing.listenWS = adopt
    spec = {"url": "ws://127.0.0.1:%d" % port, "outdir": outdir, "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}}
    fuzzing.startServer(spec, None)
    reactor.callWhenRunning(lambda: (print("listening %d" % port), sys.stdout.flush()))
    reactor.run()


main()
