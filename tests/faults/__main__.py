"""Print the fault sweep as a table; exits 1 when something ended as it must not.

`python -m tests.faults [--every N] [--pairs N] [--histories N] [--seed N] [--flow NAME]`; a case of its own:
`python -m tests.faults --case FLOW KIND CALL`, KIND with `+` for an outage. Ctrl-C tells what is known by then.
"""

import argparse
import gc
import multiprocessing
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from tests.cloud.faults import KINDS, LASTING, Fault
from tests.faults.flows import FLOWS, Flow
from tests.faults.histories import BATCH, lived
from tests.faults.progress import Progress
from tests.faults.storm import storm
from tests.faults.sweep import Case, calls, played, sampled, singles

COLUMNS = (*KINDS, *(f"{kind} +" for kind in LASTING), "pairs")


def main() -> int:
    arguments = _arguments()
    flows = [flow for flow in FLOWS if arguments.flow in (None, flow.name)]
    if arguments.case:
        return _case(*arguments.case)
    try:
        wrong = _sweep(flows, arguments) + _histories(arguments.seed, arguments.histories)
        return max(int(wrong > 0), storm())
    except KeyboardInterrupt:
        return 130


def _case(name: str, kind: str, number: str) -> int:
    fault = Fault(kind.rstrip("+"), int(number), lasting=kind.endswith("+"))
    result = played(Case(next(flow for flow in FLOWS if flow.name == name), (fault,)))
    print(f"{result.case} ({', '.join(result.struck)}): {', '.join(result.endings)}", *result.wrong, sep="\n")
    return int(bool(result.wrong))


def _sweep(flows: Sequence[Flow], arguments: argparse.Namespace) -> int:
    """Play cases on all cores; returns how many ended as they must not."""
    singly = sum(map(calls, flows)) * (len(KINDS) + len(LASTING))
    first = arguments.seed % arguments.every
    progress = Progress("cases", len(range(first, singly, arguments.every)) + arguments.pairs)
    chosen = islice(singles(flows), first, None, arguments.every)
    cases = chain(chosen, sampled(arguments.seed, arguments.pairs, 2, flows))
    counts, endings = Counter[tuple[str, str]](), Counter[str]()
    try:
        for number, faults, ended, wrong, struck in _on_all_cores(_played, (_sent(case) for case in cases), 20):
            case = Case(FLOWS[number], faults)
            counts[case.flow.name, _column(faults)] += 1
            counts[case.flow.name, f"{_column(faults)} wrong"] += bool(wrong)
            endings.update(ended)
            progress.add(wrong=f"{case} ({', '.join(struck)}): {'; '.join(wrong)}" if wrong else "")
    finally:
        progress.end()
        _table([flow.name for flow in flows], counts)
        print("endings:", ", ".join(f"{name} {count}" for name, count in endings.most_common()))
    return progress.wrong


def _histories(seed: int, count: int) -> int:
    """Live through random histories, in batches of the seeds from one on; returns how many batches were wrong."""
    progress = Progress("histories", count)
    batches = [(seed + number, min(BATCH, count - at)) for number, at in enumerate(range(0, count, BATCH))]
    try:
        for lives, wrong in _on_all_cores(lived, batches, 1):
            progress.add(lives, wrong)
    finally:
        progress.end()
    return progress.wrong


def _on_all_cores(act: Callable[[Any], Any], things: Iterable[Any], at_a_time: int) -> Iterator[Any]:
    """Do it with each thing, in any order; what is not begun yet is left when nobody asks for more."""
    with multiprocessing.Pool(initializer=_quietly) as pool:
        yield from pool.imap_unordered(act, things, at_a_time)


def _quietly() -> None:
    warnings.simplefilter("ignore")  # of metrics whose time is not the present
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process sees to it
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _sent(case: Case) -> tuple[int, tuple[Fault, ...]]:
    """Flows hold functions, which do not travel to another process and back: their number does."""
    return FLOWS.index(case.flow), case.faults


def _played(sent: tuple[int, tuple[Fault, ...]]) -> tuple[Any, ...]:
    result = played(Case(FLOWS[sent[0]], sent[1]))
    return *sent, result.endings, result.wrong, result.struck


def _column(faults: tuple[Fault, ...]) -> str:
    first, *more = faults
    return "pairs" if more else f"{first.kind} +" if first.lasting else first.kind


def _table(names: Sequence[str], counts: Counter[tuple[str, str]]) -> None:
    width = max(map(len, names))
    for number, column in enumerate(COLUMNS):
        print(f"{'':{width}} {'     ' * number}    {column}")
    for name in names:
        cells = [(counts[name, column], counts[name, f"{column} wrong"]) for column in COLUMNS]
        print(f"{name:{width}}" + "".join(f"{count:>5}{f'!{bad}' if bad else ''}" for count, bad in cells))
    print("+ is an outage: all such calls from there on fail; ! counts what ended as it must not")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="The fault sweep.")
    parser.add_argument("--pairs", type=int, default=500, help="how many pairs of faults, sampled")
    parser.add_argument("--seed", type=int, default=1, help="of the sample, and of the first batch of histories")
    parser.add_argument("--histories", type=int, default=500, help="how many random histories")
    parser.add_argument("--every", type=int, default=10, help="only every so manieth single fault")
    parser.add_argument("--flow", help="only this flow")
    parser.add_argument("--case", nargs=3, metavar=("FLOW", "KIND", "CALL"), help="one case")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
