"""Print the fault sweep as a table; exits 1 when something ended as it must not.

`python -m tests.faults [--every N] [--pairs N] [--histories N] [--seed N] [--flow NAME]`; a case of its own:
`python -m tests.faults --case FLOW KIND CALL`, KIND with `+` for an outage, or `--history SEED`.
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from tests.cloud.faults import KINDS, Fault
from tests.faults.flows import FLOWS
from tests.faults.histories import lived
from tests.faults.storm import storm
from tests.faults.sweep import Case, Result, played, sampled, singles


def main() -> int:
    arguments = _arguments()
    flows = [flow for flow in FLOWS if arguments.flow in (None, flow.name)]
    if arguments.case:
        name, kind, number = arguments.case
        fault = Fault(kind.rstrip("+"), int(number), lasting=kind.endswith("+"))
        return _told([played(Case(next(flow for flow in FLOWS if flow.name == name), (fault,)))])
    if arguments.history is not None:
        print(history := lived(arguments.history), *history.wrong, sep="\n")
        return int(bool(history.wrong))
    began = time.monotonic()
    cases = list(singles(flows))[arguments.seed % arguments.every :: arguments.every]
    cases += sampled(arguments.seed, arguments.pairs, 2, flows)
    with multiprocessing.Pool() as pool:
        results = pool.map(_played, [(FLOWS.index(case.flow), case.faults) for case in cases], chunksize=20)
    _table(results)
    print(f"{len(results)} cases in {time.monotonic() - began:.0f} s, pairs with seed {arguments.seed}")
    wrong = max(_told(results), _histories(arguments.seed, arguments.histories))
    return max(wrong, storm())


def _histories(seed: int, count: int) -> int:
    """Live through random histories of the seeds from one on."""
    began = time.monotonic()
    with multiprocessing.Pool() as pool:
        found = [each for each in pool.imap_unordered(lived, range(seed, seed + count), 10) if each.wrong]
    for each in found:
        print(f"WRONG {each}: {'; '.join(each.wrong)}", file=sys.stderr)
    print(f"{count} histories from seed {seed} in {time.monotonic() - began:.0f} s, {len(found)} with a wrong end")
    return int(bool(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="The fault sweep.")
    parser.add_argument("--pairs", type=int, default=500, help="how many pairs of faults, sampled")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--histories", type=int, default=500, help="how many random histories")
    parser.add_argument("--history", type=int, metavar="SEED", help="one history")
    parser.add_argument("--every", type=int, default=10, help="only every so manieth single fault")
    parser.add_argument("--flow", help="only this flow")
    parser.add_argument("--case", nargs=3, metavar=("FLOW", "KIND", "CALL"), help="one case")
    return parser.parse_args()


def _played(case: tuple[int, tuple[Fault, ...]]) -> Result:
    """Flows hold functions, which do not travel to another process: their number does."""
    return played(Case(FLOWS[case[0]], case[1]))


def _table(results: list[Result]) -> None:
    columns = [*KINDS, *(f"{kind} +" for kind in KINDS), "pairs"]
    counts: Counter[tuple[str, str]] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for result in results:
        first, *more = result.case.faults
        column = "pairs" if more else f"{first.kind} +" if first.lasting else first.kind
        counts[result.case.flow.name, column] += 1
        wrong[result.case.flow.name, column] += bool(result.wrong)
    names = list(dict.fromkeys(result.case.flow.name for result in results))
    width = max(map(len, columns))
    for number, name in enumerate(names):
        print(f"{'  ' * number}{name}")
    for column in columns:
        cells = [(counts[name, column], wrong[name, column]) for name in names]
        if any(count for count, _ in cells):
            shown = " ".join(f"{count:>5}{'!' + str(bad) if bad else ''}" for count, bad in cells)
            print(f"{column:<{width}} {shown}")
    print("+ is an outage: all such calls from there on fail; ! counts what ended as it must not")
    endings = Counter(ending for result in results for ending in result.endings)
    print("endings:", ", ".join(f"{name} {count}" for name, count in endings.most_common()))


def _told(results: list[Result]) -> int:
    for result in results:
        for each in result.wrong:
            print(f"WRONG {result.case} ({', '.join(result.struck)}): {each}", file=sys.stderr)
    return int(any(result.wrong for result in results))


if __name__ == "__main__":
    sys.exit(main())
