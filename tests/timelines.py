"""Timelines of the demo, for tests of its report."""

TIMELINE = {
    "samples": [
        {"at": 11, "counts": {"serviceB": 40}, "errors": {}, "p99Ms": 8.25},
        {"at": 12, "counts": {"serviceB": 31, "serviceBv2": 9}, "errors": {"serviceBv2": 4}, "p99Ms": 61.5},
        {"at": 13, "counts": {}, "errors": {}, "p99Ms": None},
        {"at": 14, "counts": {"serviceB": 40, "serviceBv2": 0}, "errors": {}, "p99Ms": 9},
    ],
    "weights": [
        {"at": 10, "weights": {"serviceB": 100, "serviceBv2": 0}},
        {"at": 11, "weights": {"serviceB": 75, "serviceBv2": 25}},
        {"at": 11.5, "weights": {"serviceB": 75, "serviceBv2": 25}},
        {"at": 13, "weights": {"serviceB": 100, "serviceBv2": 0}},
    ],
    "marks": [
        {"at": 11, "what": "shift", "text": "serviceBv2 0 → 25"},
        {"at": 12.9, "what": "roll back", "text": "in alarm: serviceb-5xx"},
        {"at": 13.5, "what": "somersault"},
    ],
    "table": [
        {"step": "a bad version", "expected": "Rolled Back", "observed": "Rolled Back", "good": True},
        {"step": "its reason", "expected": "in alarm", "observed": "None", "good": False},
    ],
}
ODD = "</script><script>alert(1)</script><!-- & \"'$x_1$ _ü"
ODD_NAMES = {
    "samples": [{"at": 1, "counts": {ODD: 5, "_b": 5}, "errors": {ODD: 1}, "p99Ms": 3}],
    "weights": [{"at": 0, "weights": {ODD: 50, "_b": 50}}],
    "marks": [{"at": 0, "what": ODD, "text": ODD}],
    "table": [{"step": ODD, "expected": ODD, "observed": ODD, "good": False}],
}
PARTS = {
    "nothing at all": {},
    "empty lists": {"samples": [], "weights": [], "marks": [], "table": []},
    "nothing but null": {"samples": None, "weights": None, "marks": None, "table": None},
    "samples only": {"samples": TIMELINE["samples"]},
    "one sample without a request": {"samples": [{"at": 0, "counts": {}}]},
    "weights only": {"weights": TIMELINE["weights"][:1]},
    "marks only": {"marks": TIMELINE["marks"]},
    "table only": {"table": TIMELINE["table"]},
    "a latency that is no number": {"samples": [{"at": 1, "counts": {"a": 1}, "p99Ms": float("nan")}]},
    "versions that are no nodes": {"samples": TIMELINE["samples"], "weights": [{"at": 10, "weights": {"blue": 100}}]},
    "more names than colours": {"weights": [{"at": 0, "weights": {f"node{n}": 5 for n in range(20)}}]},
}
