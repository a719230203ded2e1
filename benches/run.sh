#!/bin/bash
# The benchmark: builds everything, runs the protocol benches and our C client beside its peers, and prints Markdown
# tables, which stay in .build/bench/report.md.
#
#   benches/run.sh            about five minutes
#   benches/run.sh --quick    about one minute: smoke, not figures to be quoted
#   benches/run.sh --dial     dials alone, ws and wss, full and resumed: two minutes
#   benches/run.sh --all      every client that can be built (Go, Python, Node, Rust), every test; half an hour
#
# Two CPUs, as idle as possible: load and steal during the runs stand below the tables.
set -u -o pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export OUT=${OUT:-$root/.build/bench}
peers=$root/benches/peers
need=limit-ws,wsdial,tungstenite,libwebsockets
clients=limit-tcp
tests='rtt*,recv*,send*'
repeats=3 scale=0.7 try=
case ${1:-} in
  "") ;;
  --quick) repeats=1 scale=0.2 clients= ;;
  --dial) need=limit-ws,wsdial,tungstenite clients= tests='dial*' repeats=9 scale=1 ;;
  --all) clients='*' tests='*' scale=1 try=rust,go,python,node,libcurl ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

"$peers/build.sh" --try "$try" || exit 1

report=$OUT/report.md
{
  echo "# wsdial beside its peers"
  echo
  echo "$(date -u +%Y-%m-%d), $(uname -sr), $(nproc) CPUs ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)), $(rustc --version),"
  echo "tungstenite $(grep -A1 'name = "tungstenite"' "$peers/rs/Cargo.lock" | sed -n 's/version = "\(.*\)"/\1/p'), libwebsockets $(pkg-config --modversion libwebsockets 2>/dev/null | tr -d -)"
} >"$report"

echo "running the protocol benches"
{ echo; echo "## Without a socket"; echo; echo '```'; } >>"$report"
(cd "$root" && cargo bench --quiet --features bench-internals --bench protocol) 2>"$OUT/protocol.log" | tee -a "$report" ||
  { cat "$OUT/protocol.log" >&2; exit 1; }
echo '```' >>"$report"

echo "running the clients"
{ echo; echo "## Over loopback"; } >>"$report"
raw=$OUT/raw-$(date +%s).jsonl
"$peers/run.py" --need "$need" --clients "$clients" --tests "$tests" --repeats "$repeats" --scale "$scale" --raw "$raw" | tee -a "$report"
status=$?
echo "report: $report"
# A run of dials, say, has nothing that the chart shows.
"$root/benches/chart.py" "$raw" >"$OUT/chart.svg" 2>/dev/null && echo "chart: $OUT/chart.svg"
exit $status
