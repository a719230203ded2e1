#!/usr/bin/env python3
"""Runs clients against the bench server, interleaved, and prints Markdown tables of medians.

  run.py [--clients a,b,...] [--need a,b,...] [--tests t1,t2*,...] [--repeats 3] [--scale 1.0] [--raw FILE] [--out DIR]
  run.py --report FILE [FILE...]      tables from raw JSON lines, nothing is run
  run.py --list

--clients leaves out, and says so, what is not built; --need wants it built and every run of it to succeed, else the
answer is a failure. Tests may end in *: recv-*, *tls-64. Server on one CPU, client on another. A new client = one
entry in CLIENTS. CPU = user+sys of the client process after its own warm-up; us per message = CPU seconds per million
messages.
"""
import argparse, fnmatch, json, os, signal, statistics as st, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.environ.get("OUT", os.path.normpath(HERE + "/../../.build/bench"))
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, CLIENT_CPU = CPUS[0], CPUS[min(1, len(CPUS) - 1)]


def py(impl, *more):
    return ["{out}/venv/bin/python", f"{HERE}/py/ws_py.py", "--impl", impl, *more]


# The library that the package of this checkout loads: the one that the C client of the same run is linked with.
PY_WSDIAL = {"WSDIAL_LIBRARY": os.environ.get("WSDIAL_LIBRARY") or os.path.normpath(HERE + "/../../target/release/libwsdial.so")}

# name -> command, kind (how many messages: see COUNTS), can: t = wss, d = permessage-deflate, only/skip: tests
CLIENTS = {
    "limit-tcp": dict(cmd=["{out}/bin/limit", "--impl", "tcp"], kind="fast", can="t"),
    "limit-ws": dict(cmd=["{out}/bin/limit", "--impl", "ws"], kind="fast", can="td"),
    "limit-wsb": dict(cmd=["{out}/bin/limit", "--impl", "wsb"], kind="fast", can="td", only=["send-64", "send-1024", "deflate-1024"]),
    "wsdial": dict(cmd=["{out}/bin/wsdial-client"], kind="fast", can="td"),
    "wsdial-batch": dict(cmd=["{out}/bin/wsdial-client", "--impl", "batch"], kind="fast", can="t", only=["recv-64", "recv-1024", "recvtls-64", "send-64", "send-1024", "sendtls-64"]),
    "tungstenite": dict(cmd=["{out}/bin/tungstenite"], kind="fast", can="t"),
    "tungstenite-batch": dict(cmd=["{out}/bin/tungstenite", "--batch"], kind="fast", can="t", only=["send-64", "send-1024"]),
    "tokio-websockets": dict(cmd=["{out}/bin/tokio_websockets"], kind="fast", can="t"),
    "fastwebsockets": dict(cmd=["{out}/bin/fastwebsockets"], kind="fast", can="t", skip=["sendtls-1024"]),
    "libcurl": dict(cmd=["{out}/bin/curl-client"], kind="fast", can="t", scale={"send*-65536": 0.1, "send*-1048576": 0.1, "send*-1024": 0.4, "send*-64": 0.5}),
    "libwebsockets": dict(cmd=["{out}/bin/lws-client"], kind="fast", can="td", scale={"send*-65536": 0.4, "send*-1048576": 0.3, "rtt*-1048576": 0.5, "recv*-64": 0.4, "recv*": 0.2}),
    "wsdial-go": dict(cmd=["{out}/bin/go-wsdial"], kind="go", can="td"),
    "wsdial-go-reuse": dict(cmd=["{out}/bin/go-wsdial", "--reuse"], kind="go", can="td", only=["recv*", "deflate*"]),
    "gorilla": dict(cmd=["{out}/bin/go-gorilla"], kind="go", can="td"),
    "coder": dict(cmd=["{out}/bin/go-coder"], kind="go", can="td"),
    "gws": dict(cmd=["{out}/bin/go-gws"], kind="go", can="td"),
    "py wsdial": dict(cmd=py("wsdial"), env=PY_WSDIAL, kind="pyfast", can="td"),
    "py wsdial-batch": dict(cmd=py("wsdial-batch"), env=PY_WSDIAL, kind="pyfast", can="td", only=["recv-64", "recv-1024", "recvtls-64"]),
    "py wsdial-aio": dict(cmd=py("wsdial-aio"), env=PY_WSDIAL, kind="pyfast", can="td"),
    "py wsdial-aio+uvloop": dict(cmd=py("wsdial-aio", "--uvloop"), env=PY_WSDIAL, kind="pyfast", can="td"),
    "py websockets-sync": dict(cmd=py("websockets-sync"), kind="py", can="td", scale={"dialtls": 0.5}, skip=["idle-5000", "idletls-1000"]),
    "py websockets-asyncio": dict(cmd=py("websockets-asyncio"), kind="py", can="td"),
    "py websocket-client": dict(cmd=py("websocket-client"), kind="py", can="t"),
    "py aiohttp": dict(cmd=py("aiohttp"), kind="py", can="td"),
    "py picows+uvloop": dict(cmd=py("picows", "--uvloop"), kind="pyfast", can="t"),
    "node ws": dict(cmd=["node", HERE + "/node/ws.js"], kind="go", can="td", env={"NODE_PATH": "{out}/node_modules"}),
}

# test -> mode, size, tls, deflate, counts by kind
C = lambda fast, go, pyfast, py: dict(fast=fast, go=go, pyfast=pyfast, py=py)
TESTS = {
    "rtt-64": ("rtt", 64, 0, 0, C(30000, 30000, 30000, 10000)),
    "rtt-1024": ("rtt", 1024, 0, 0, C(30000, 30000, 30000, 10000)),
    "rtt-65536": ("rtt", 65536, 0, 0, C(6000, 5000, 5000, 2000)),
    "rtt-1048576": ("rtt", 1048576, 0, 0, C(300, 200, 200, 100)),
    "recv-64": ("recv", 64, 0, 0, C(4000000, 600000, 600000, 100000)),
    "recv-1024": ("recv", 1024, 0, 0, C(500000, 200000, 200000, 60000)),
    "recv-65536": ("recv", 65536, 0, 0, C(15000, 8000, 8000, 5000)),
    "recv-1048576": ("recv", 1048576, 0, 0, C(800, 400, 400, 300)),
    "send-64": ("send", 64, 0, 0, C(400000, 250000, 250000, 40000)),
    "send-1024": ("send", 1024, 0, 0, C(300000, 200000, 200000, 30000)),
    "send-65536": ("send", 65536, 0, 0, C(15000, 8000, 8000, 1500)),
    "send-1048576": ("send", 1048576, 0, 0, C(800, 400, 400, 150)),
    "deflate-1024": ("recv", 1024, 0, 1, C(150000, 60000, 60000, 30000)),
    "senddeflate-1024": ("send", 1024, 0, 1, C(30000, 20000, 20000, 10000)),
    "rtttls-64": ("rtt", 64, 1, 0, C(30000, 30000, 30000, 10000)),
    "rtttls-1024": ("rtt", 1024, 1, 0, C(30000, 30000, 30000, 10000)),
    "rtttls-65536": ("rtt", 65536, 1, 0, C(2500, 2000, 2000, 1000)),
    "rtttls-1048576": ("rtt", 1048576, 1, 0, C(150, 100, 100, 50)),
    "recvtls-64": ("recv", 64, 1, 0, C(2500000, 500000, 500000, 100000)),
    "recvtls-1024": ("recv", 1024, 1, 0, C(300000, 200000, 200000, 60000)),
    "recvtls-65536": ("recv", 65536, 1, 0, C(8000, 5000, 5000, 3000)),
    "recvtls-1048576": ("recv", 1048576, 1, 0, C(500, 300, 300, 200)),
    "sendtls-64": ("send", 64, 1, 0, C(200000, 120000, 120000, 40000)),
    "sendtls-1024": ("send", 1024, 1, 0, C(150000, 100000, 100000, 30000)),
    "sendtls-65536": ("send", 65536, 1, 0, C(6000, 4000, 4000, 1500)),
    "sendtls-1048576": ("send", 1048576, 1, 0, C(400, 250, 250, 100)),
    "dial": ("dial", 0, 0, 0, C(1500, 1500, 800, 300)),
    "dialtls": ("dial", 0, 1, 0, C(400, 400, 200, 100)),
    "dialtls-full": ("dial", 0, 1, 0, C(400, 400, 200, 100)),
    "idle-1000": ("idle", 0, 0, 0, C(1000, 1000, 1000, 1000)),
    "idle-5000": ("idle", 0, 0, 0, C(5000, 5000, 5000, 5000)),
    "idletls-1000": ("idle", 0, 1, 0, C(1000, 1000, 1000, 1000)),
}

# What the server is told for a test: without tickets nobody resumes a session, with them those who can do.
SERVER = {"dialtls-full": ["--tickets", "0"]}


def cpu_ticks():
    r = {}
    for l in open("/proc/stat"):
        f = l.split()
        if f[0] in (f"cpu{SERVER_CPU}", f"cpu{CLIENT_CPU}"):
            v = list(map(int, f[1:9]))
            r[int(f[0][3:])] = (v[0] + v[1] + v[2] + v[5] + v[6], v[7])  # busy, steal
    return r


def sched_ns(pid):
    return int(open(f"/proc/{pid}/schedstat").read().split()[0])


def one(name, test, srv, info, scale):
    cl, (mode, size, tls, deflate, counts) = CLIENTS[name], TESTS[test]
    n = counts[cl["kind"]]
    if mode != "idle":
        own = next((f for pattern, f in cl.get("scale", {}).items() if fnmatch.fnmatch(test, pattern)), 1)
        n = max(20, int(n * scale * own))
    cmd = [a.format(out=OUT) for a in cl["cmd"]]
    port = info["wss" if tls else "ws"]
    cmd += ["--url", f"{'wss' if tls else 'ws'}://127.0.0.1:{port}", "--mode", mode, "--size", str(size), "--count", str(n)]
    if tls:
        cmd += ["--ca", info["ca"]]
    if deflate:
        cmd += ["--deflate"]
    env = dict(os.environ, **{k: v.format(out=OUT) for k, v in cl.get("env", {}).items()})
    a, s0, t0 = cpu_ticks(), sched_ns(srv.pid), time.time()
    try:
        p = subprocess.run(["taskset", "-c", str(CLIENT_CPU), *cmd], capture_output=True, text=True, timeout=40, env=env)
        out = p.stdout.strip().splitlines()
        r = json.loads(out[-1]) if p.returncode == 0 and out else {"error": (p.stderr.strip().splitlines() or ["rc %d" % p.returncode])[-1][:200]}
    except subprocess.TimeoutExpired:
        r = {"error": "timeout (hang) after 40 s"}
    el = time.time() - t0
    b, s1 = cpu_ticks(), sched_ns(srv.pid)
    hz = os.sysconf("SC_CLK_TCK")
    srvcpu = (s1 - s0) / 1e9
    r.update(client=name, test=test, t=round(t0, 1), srv_cpu_s=round(srvcpu, 4), run_s=round(el, 3), load=os.getloadavg()[0],
             steal=round(sum(b[c][1] - a[c][1] for c in a) / hz / el, 3),
             cpu0_other=round(max(0, (b[SERVER_CPU][0] - a[SERVER_CPU][0]) / hz - srvcpu) / el, 3),
             cpu1_busy=round((b[CLIENT_CPU][0] - a[CLIENT_CPU][0]) / hz / el, 3))
    return r


# ---------- report ----------
def med(v):
    return st.median(v) if v else float("nan")


def fmt(x):
    return "-" if x != x else f"{x:.3f}" if x < 10 else f"{x:.1f}" if x < 1000 else f"{x:.0f}"


def report(rows):
    by = {}
    for r in rows:
        by.setdefault(r["test"], {}).setdefault(r["client"], []).append(r)
    for test in [t for t in TESTS if t in by]:
        mode, size, tls, deflate, _ = TESTS[test]
        print(f"\n### {test}: {mode}{' %d B' % size if size else ''}, {'wss' if tls else 'ws'}{', permessage-deflate' if deflate else ''}\n")
        ok = {c: [r for r in v if "error" not in r] for c, v in by[test].items()}
        bad = {c: [r["error"] for r in v if "error" in r] for c, v in by[test].items()}
        cpu = {c: [(r["user_s"] + r["sys_s"]) / r["count"] * 1e6 for r in v] for c, v in ok.items()}
        wall = {c: [r["wall_s"] / r["count"] * 1e6 for r in v] for c, v in ok.items()}
        base_c, base_w = med(cpu.get("limit-ws", [])), med(wall.get("limit-ws", []))
        if mode == "idle":
            print("| client | KiB per connection | threads | whole process RSS MiB | note |\n|---|---:|---:|---:|---|")
        elif mode == "rtt":
            print("| client | p50 us | p99 us | CPU us/round | min-max | x limit-ws | n |\n|---|---:|---:|---:|---:|---:|---:|")
        elif mode == "dial":
            print("| client | CPU us/dial | min-max | x limit-ws | wall us/dial | dials/s | n |\n|---|---:|---:|---:|---:|---:|---:|")
        else:
            print("| client | CPU us/msg | min-max | x limit-ws | x by minima | user us/msg | wall us/msg | x limit-ws | MB/s | srv busy | max RSS MiB | n |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        for c in [c for c in list(CLIENTS) + sorted(set(ok) - set(CLIENTS)) if c in ok]:
            v = ok[c]
            err = "; ".join(sorted(set(bad[c])))
            if not v:
                print(f"| {c} | failed: {err} |")
                continue
            n = f"{len(v)}" + (f" ({len(bad[c])} failed: {err})" if bad[c] else "")
            cm, wm = med(cpu[c]), med(wall[c])
            mm = f"{fmt(min(cpu[c]))}-{fmt(max(cpu[c]))}"
            if mode == "idle":
                print(f"| {c} | {med([r['kb_per_conn'] for r in v]):.1f} | {med([r['threads'] for r in v]):.0f} | {med([r['rss_kb'] for r in v]) / 1024:.1f} | {err} |")
            elif mode == "rtt":
                print(f"| {c} | {med([r['p50_us'] for r in v]):.1f} | {med([r['p99_us'] for r in v]):.1f} | {fmt(cm)} | {mm} | {cm / base_c:.2f} | {n} |")
            elif mode == "dial":
                print(f"| {c} | {fmt(cm)} | {mm} | {cm / base_c:.2f} | {fmt(wm)} | {1e6 / wm:.0f} | {n} |")
            else:
                us = med([r["user_s"] / r["count"] * 1e6 for r in v])
                base_m = min(cpu.get("limit-ws") or [float("nan")])
                print(f"| {c} | {fmt(cm)} | {mm} | {cm / base_c:.2f} | {min(cpu[c]) / base_m:.2f} | {fmt(us)} | {fmt(wm)} | {wm / base_w:.2f} | {size / wm:.0f} | "
                      f"{med([r['srv_cpu_s'] / r['run_s'] for r in v]) * 100:.0f} % | {med([r['max_rss_kb'] for r in v]) / 1024:.1f} | {n} |")
    t = [r for r in rows if "steal" in r]
    if t:
        print(f"\nNoise: steal median {med([r['steal'] for r in t]) * 100:.0f} %, worst {max(r['steal'] for r in t) * 100:.0f} % of a CPU; "
              f"other processes on the server's CPU median {med([r['cpu0_other'] for r in t]) * 100:.0f} %, worst {max(r['cpu0_other'] for r in t) * 100:.0f} %; load average {min(r['load'] for r in t):.1f}-{max(r['load'] for r in t):.1f}.")


def runs(client, test):
    cl, (_, _, tls, deflate, _) = CLIENTS[client], TESTS[test]
    if cl.get("only") and not any(fnmatch.fnmatch(test, word) for word in cl["only"]) or test in cl.get("skip", []):
        return False
    return not (tls and "t" not in cl["can"] or deflate and "d" not in cl["can"])


def built(client):
    exe = CLIENTS[client]["cmd"][0].format(out=OUT)
    return "/" not in exe or os.path.exists(exe)


def pick(words, known, what):
    picked = []
    for word in filter(None, words.split(",")):
        found = [k for k in known if fnmatch.fnmatch(k, word)]
        if not found:
            sys.exit(f"run.py: unknown {what} {word} (--list tells)")
        picked += [k for k in found if k not in picked]
    return picked


def start_server(options):
    exe = OUT + "/bin/server"
    if not os.path.exists(exe):
        sys.exit(f"run.py: {exe} is missing; build.sh builds it")
    srv = subprocess.Popen(["taskset", "-c", str(SERVER_CPU), exe, *options], stdout=subprocess.PIPE, text=True)
    line = srv.stdout.readline()
    if not line:
        sys.exit(f"run.py: the server ended with {srv.wait()} before it was ready")
    return srv, json.loads(line)


def measure(tests, clients, repeats, scale, raw, awake):
    rows = []
    # A server spins for a while when it has had something to do, and not after that: those not asked cost nothing.
    servers = {}
    # keeps the client's CPU out of its idle state (in a VM leaving it costs tens of microseconds); SCHED_IDLE: runs
    # only when nothing else does
    spin = ["taskset", "-c", str(CLIENT_CPU), "chrt", "-i", "0", sys.executable, "-c", "while True: pass"]
    awake = subprocess.Popen(spin) if awake else None
    try:
        with open(raw, "a") as f:
            for test in tests:
                options = tuple(SERVER.get(test, ()))
                if options not in servers:
                    servers[options] = start_server(options)
                srv, info = servers[options]
                for _ in range(repeats if TESTS[test][0] != "idle" else 1):
                    for c in [c for c in clients if runs(c, test)]:
                        r = one(c, test, srv, info, scale)
                        rows.append(r)
                        f.write(json.dumps(r) + "\n")
                        f.flush()
                        if "error" in r:
                            print("!!", c, test, r["error"], file=sys.stderr)
                print(time.strftime("%H:%M:%S"), test, "done, load %.1f" % os.getloadavg()[0], file=sys.stderr)
    finally:
        if awake:
            awake.kill()
            awake.wait()
        for srv, _ in servers.values():
            srv.terminate()
            srv.wait()
    return rows


def main():
    global OUT
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", default=OUT)
    ap.add_argument("--clients", default="")
    ap.add_argument("--need", default="")
    ap.add_argument("--tests", default="")
    ap.add_argument("--repeats", type=int, default=3)
    ap.add_argument("--scale", type=float, default=1.0)
    ap.add_argument("--raw", default="")
    ap.add_argument("--report", nargs="+")
    ap.add_argument("--no-awake", action="store_true", help="no SCHED_IDLE spinner on the client's CPU")
    ap.add_argument("--list", action="store_true")
    a = ap.parse_args()
    OUT = a.out
    if a.list:
        print(f"clients: {', '.join(CLIENTS)}\ntests: {', '.join(TESTS)}")
        return
    if a.report:
        report([json.loads(l) for f in a.report for l in open(f)])
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    need = pick(a.need, CLIENTS, "client")
    clients = pick(a.clients, CLIENTS, "client") or ([] if need else list(CLIENTS))
    clients = [c for c in CLIENTS if c in clients or c in need]
    missing = [c for c in clients if not built(c)]
    if set(missing) & set(need):
        sys.exit(f"run.py: needed and not built: {', '.join(c for c in missing if c in need)}")
    if missing:
        print(f"not built, left out: {', '.join(missing)}", file=sys.stderr)
    tests = pick(a.tests, TESTS, "test") or list(TESTS)
    rows = measure(tests, [c for c in clients if c not in missing], a.repeats, a.scale, a.raw or OUT + "/raw.jsonl", not a.no_awake)
    report(rows)
    bad = sorted({f"{r['client']} {r['test']}" for r in rows if "error" in r and r["client"] in need})
    if bad:
        sys.exit(f"run.py: failed: {', '.join(bad)}")


main()
