"""Compares the testsuite's report with the committed results: compare.py INDEX.json EXPECTED.json AGENT [PATTERN...]

EXPECTED.json holds "BEHAVIOR/BEHAVIOR-CLOSE" for each case, as the suite judges it. With patterns (1.*) only the cases that
fit one of them are expected. Every expected case must be in the report with just that result, and no other case of the
same groups (the first number). Groups with no expected results at all are counted aloud, and nothing is claimed of them.
Ends with the line "N passed, N failed".
"""
import json
import sys
from collections import Counter
from fnmatch import fnmatch


def in_order(case):
    return [int(part) for part in case.split(".")]


def group(case):
    return case.split(".")[0]


def main():
    index, expected, agent, *patterns = sys.argv[1:]
    with open(expected) as file:
        wanted = json.load(file)
    groups = {group(case) for case in wanted}
    if patterns:
        wanted = {case: want for case, want in wanted.items() if any(fnmatch(case, pattern) for pattern in patterns)}
    with open(index) as file:
        report = json.load(file).get(agent, {})
    seen = {case: f"{facts['behavior']}/{facts['behaviorClose']}" for case, facts in report.items()}

    passed = failed = 0
    claimed = [case for case in seen if group(case) in groups]
    for case in sorted(wanted.keys() | claimed, key=in_order):
        want, got = wanted.get(case, "no such case"), seen.get(case, "did not run")
        if want == got:
            passed += 1
            continue
        failed += 1
        print(f"FAILED {case}: expected {want}, got {got}")
    counts = Counter(report[case]["behavior"] for case in claimed)
    print("behavior: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    others = Counter((group(case), report[case]["behavior"]) for case in seen if group(case) not in groups)
    for (number, verdict), count in sorted(others.items()):
        print(f"{number}.*: {count} {verdict} (no results are committed for them, so nothing is claimed)")
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


sys.exit(main())
