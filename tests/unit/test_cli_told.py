"""What `meshift status`, `watch` and `history` make of what is known."""

from meshift.drawing import checks, draw, where
from meshift.history import told, weights_of
from meshift.rollouts import Rollout
from meshift.watch import changes, line

EXECUTION = "arn:aws:states:us-east-1:111111111111:execution:rollout:ecs-svc-7-1"
ROUTE = "serviceb.apps.local"
STEPS = [
    {"weights": {ROUTE: {"v1": 75, "v2": 25}}, "slices": 10, "waitSeconds": 30},
    {"weights": {ROUTE: {"v1": 0, "v2": 100}}, "slices": 2, "waitSeconds": 30},
]
PLAN = {
    "candidate": "v2",
    "routes": [ROUTE],
    "before": {ROUTE: {"v1": 100, "v2": 0}},
    "steps": STEPS,
    "failureLimit": 3,
    "deadlineSeconds": 7200,
}
POSITION = {"step": 0, "slice": 3, "failures": 1, "elapsedSeconds": 120}


def rollout(state="Bake", seconds=10, weights=None, reason="", plan=PLAN, waits=False, results=(), **position):
    document = {"service": "s", "deployment": "ecs-svc/7", "reason": reason, "plan": plan}
    document |= {"checked": {"results": [*results]}} if results else {}
    document |= {"position": {**POSITION, **position}} if plan else {}
    return Rollout("apps", ROUTE, EXECUTION, document, state, seconds, weights, waits)


def test_a_rollout_that_bakes_says_its_step_its_check_and_how_long_it_still_takes():
    assert where(rollout()) == "step 1 of 2 bakes, check 4 of 10, 4 min 20 s to go if all stays well"
    assert where(rollout("Check Health")) == "step 1 of 2 bakes, check 4 of 10, 4 min 30 s to go if all stays well"
    assert where(rollout("Roll Back")) == "step 1 of 2, Roll Back"


def test_a_pause_has_no_end_that_could_be_told():
    found = rollout("Pause", paused=True)
    assert where(found) == "step 1 of 2, paused: the weights stay until the next signal"
    assert found.as_json()["secondsToGo"] is None


def test_a_gate_says_how_long_it_waits_and_what_then():
    gated = [STEPS[0], {**STEPS[1], "gate": {"timeoutSeconds": 3600, "onTimeout": "rollback", "waitSeconds": 36}}]
    found = rollout("Gate", 20, plan={**PLAN, "steps": gated}, step=1, slice=0, gate=72)
    assert where(found) == "step 2 of 2 waits for approval, 58 min 28 s left, then rollback"
    assert found.as_json()["gate"] == {"timeoutSeconds": 3600, "onTimeout": "rollback", "waitedSeconds": 92}


def test_what_waits_says_why_and_what_has_no_plan_yet_says_its_state():
    assert where(rollout("Wait Its Turn", plan=None, waits=True, reason="v1 is in the hands of x")) == (
        "waits: v1 is in the hands of x"
    )
    assert where(rollout("Plan Rollout", plan=None)) == "Plan Rollout"


def test_failures_are_counted_and_the_last_check_is_quoted():
    assert checks(rollout(reason="in alarm: 5xx")) == "1 of 3 failures; in alarm: 5xx"
    assert checks(rollout("Shift Traffic", reason="the routes have the weights …")) == "1 of 3 failures"


def test_each_check_says_what_it_found_and_whether_it_counts():
    found = rollout(
        results=[result("rate", "pass"), result("p99", "fail", "p99: 3, at most 2 is allowed", dry_run=True)]
    )
    assert "    pass         rate\n    fail         p99: 3, at most 2 is allowed, told only\n" in draw(found).plain
    assert [each["verdict"] for each in found.as_json()["results"]] == ["pass", "fail"]


def result(name, verdict, reason="", dry_run=False):
    return {"name": name, "verdict": verdict, "reason": reason, "dryRun": dry_run}


def test_weights_are_drawn_as_they_are_in_the_mesh_with_the_route_where_there_are_several():
    drawn = draw(rollout(weights={ROUTE: {"v1": 75, "v2": 25}})).plain
    assert "v1  75 " + "█" * 22 in drawn
    assert "route" not in drawn
    assert "  route b\n" in draw(rollout(weights={ROUTE: {"v1": 1}, "b": {"v1": 1}})).plain


def test_a_traffic_that_is_moved_away_is_shown_without_steps():
    found = rollout("Wait For Envoys", plan={**PLAN, "away": True}, weights={ROUTE: {"v1": 0, "v2": 100}})
    assert where(found) == "Wait For Envoys"
    assert "v2 100" in draw(found).plain


def test_only_changes_are_told_not_every_state_of_a_slice():
    weights = {ROUTE: {"v1": 75, "v2": 25}}
    seen = [
        rollout("Bake", weights=weights),
        rollout("Check Health", weights=weights),
        rollout("Bake", weights=weights),
    ]
    seen += [rollout("Bake", weights=weights, results=[result("rate", "no data")])]
    seen += [rollout("Bake", weights=weights, failures=2), rollout("Pause", weights=weights, failures=2, paused=True)]
    assert [each.state for each in changes(iter(seen))] == ["Bake", "Bake", "Bake", "Pause"]
    assert line(seen[0]).plain[9:].startswith("step 1 of 2 bakes, check 4 of 10")
    assert line(seen[0]).plain.endswith(": v1 75, v2 25; 1 of 3 failures")


def story(*lines):
    made = (
        {"at": f"2026-11-23T05:00:0{n}", "what": w, "document": d, "execution": EXECUTION}
        for n, (w, d) in enumerate(lines)
    )
    return told(list(made))


def moved(before, after):
    return "weights", {"route": ROUTE, "from": before[ROUTE], "to": after[ROUTE]}


def test_history_says_of_each_weight_which_step_it_is_and_who_asked_for_it():
    ann = "arn:aws:iam::111111111111:user/ann"
    rows = story(
        ("plan", PLAN),
        moved(PLAN["before"], STEPS[0]["weights"]),
        ("signal", {"signal": "promote", "by": ann}),
        moved(STEPS[0]["weights"], STEPS[1]["weights"]),
        ("outcome", {"outcome": "Promoted", "reason": "v2 carries all the traffic", "weights": {"v1": 0, "v2": 100}}),
    )
    assert [(row["why"], row["who"]) for row in rows] == [
        ("2 steps to v2", "ecs-svc-7-1"),
        ("step 1 of 2", "ecs-svc-7-1"),
        ("promote", ann),
        ("step 2 of 2", f"{ann} (promote)"),
        ("Promoted: v2 carries all the traffic", "ecs-svc-7-1"),
    ]
    assert weights_of(rows[0]) == f"{ROUTE}: v1 100, v2 0"
    assert weights_of(rows[1]) == f"{ROUTE}: v1 100 → 75, v2 0 → 25"
    assert weights_of(rows[4]) == "v1 0, v2 100"


def test_history_says_of_a_weight_that_went_back_why():
    rows = story(
        ("plan", PLAN),
        moved(PLAN["before"], STEPS[0]["weights"]),
        moved(STEPS[0]["weights"], PLAN["before"]),
        ("outcome", {"outcome": "Rolled Back", "reason": "in alarm: 5xx", "weights": None}),
        ("clean-up", {"scaledToZero": ["v1"]}),
        ("check", {**result("rate", "fail", "rate: 7 %, at most 1 % is allowed"), "step": 0}),
        ("plan", {**PLAN, "away": True}),
    )
    assert rows[2]["why"] == "back to the weights before: in alarm: 5xx"
    assert [row["why"] for row in rows[4:]] == [
        '{"scaledToZero": ["v1"]}',
        "fail: rate: 7 %, at most 1 % is allowed",
        "v2 is redeployed, its siblings take over",
    ]
