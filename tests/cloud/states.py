"""AWS Step Functions: executions of the stack's own definitions, side by side in simulated time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.asl import Call, Ending, Sleep, Steps, TaskFailed, Wave, walk
from tests.cloud.clock import Clock
from tests.cloud.dynamodb import refusal
from tests.hosted_mesh import OWNER, REGION

Document = dict[str, Any]
Invoke = Callable[[str, Any], Any]


@dataclass
class Execution:
    """One execution, and where it has been."""

    arn: str
    machine: str
    input: str
    steps: Steps
    path: list[str] = field(default_factory=list)
    status: str = "RUNNING"
    ending: Ending | None = None
    token: str | None = None
    began: float = 0
    children: list["Execution"] = field(default_factory=list)
    """Of the wave that is on its way."""
    parent: "Execution | None" = None

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def output(self) -> Any:
        return self.ending.output if self.ending else None


class States:
    """Executions; operations by their boto3 names."""

    def __init__(
        self, clock: Clock, machines: Mapping[str, Document], invoke: Invoke, emit: Callable[[Document], None]
    ) -> None:
        self.clock, self.machines, self.invoke, self.emit = clock, machines, invoke, emit
        self.executions: dict[str, Execution] = {}
        self.at_work: Execution | None = None
        """Whose function runs."""

    @property
    def running(self) -> list[Execution]:
        return [each for each in self.executions.values() if each.status == "RUNNING"]

    # -- what is asked

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> Document:
        arn = f"{stateMachineArn.replace(':stateMachine:', ':execution:')}:{name}"
        found = self.executions.get(arn)
        if found and not (found.status == "RUNNING" and found.input == input):
            raise refusal("ExecutionAlreadyExists", "StartExecution")
        if not found:
            definition = self.machines[stateMachineArn]
            made = self._begin(arn, stateMachineArn, definition, input)
            if "TimeoutSeconds" in definition:
                self.clock.later(definition["TimeoutSeconds"], lambda: self._end(made, "TIMED_OUT"), background=True)
        return {"executionArn": arn}

    def describe_execution(self, executionArn: str) -> Document:
        if executionArn not in self.executions:
            raise refusal("ExecutionDoesNotExist", "DescribeExecution")
        found = self.executions[executionArn]
        answer = {"executionArn": executionArn, "status": found.status, "input": found.input, "startDate": found.began}
        return {**answer, "output": json.dumps(found.output)} if found.status == "SUCCEEDED" else answer

    def stop_execution(self, executionArn: str, **_: Any) -> Document:
        self._end(self.executions[executionArn], "ABORTED")
        return {"stopDate": self.clock.now}

    def send_task_success(self, taskToken: str, output: str) -> Document:
        waiting = [each for each in self.running if each.token == taskToken]
        if not waiting:
            raise refusal("TaskTimedOut", "SendTaskSuccess")
        waiting[0].token = None
        self.clock.later(0, lambda: self._go(waiting[0], json.loads(output)))
        return {}

    # -- how it goes on

    def _begin(self, arn: str, machine: str, definition: Document, text: str, of: Execution | None = None) -> Execution:
        path: list[str] = []
        steps = walk(definition, json.loads(text), arn, path)
        made = self.executions[arn] = Execution(arn, machine, text, steps, path, began=self.clock.now, parent=of)
        self.clock.later(0, lambda: self._go(made))
        return made

    def _go(self, execution: Execution, sent: Any = None, failed: TaskFailed | None = None) -> None:
        if execution.status != "RUNNING":
            return
        try:
            step = execution.steps.throw(failed) if failed else execution.steps.send(sent)
        except StopIteration as stop:
            execution.ending = stop.value
            self._end(execution, stop.value.status)
            return
        if isinstance(step, Sleep):
            self.clock.later(step.seconds, lambda: self._go(execution))
        elif isinstance(step, Wave):
            self._wave(execution, step)
        else:
            self._call(execution, step)

    def _wave(self, execution: Execution, wave: Wave) -> None:
        """Begin an execution for each item of a distributed Map."""
        label, number = wave.state.replace(" ", ""), len(self.executions)
        machine = f"{execution.machine}/{label}"
        prefix = f"{execution.arn.rpartition(':')[0]}/{label}"
        execution.children = [
            self._begin(f"{prefix}:{number + place}", machine, wave.definition, json.dumps(item), execution)
            for place, item in enumerate(wave.items)
        ]

    def _settle(self, wave: Execution) -> None:
        """Go on when all of a wave have ended."""
        if wave.children and all(each.status != "RUNNING" for each in wave.children):
            outputs = [each.output if each.status == "SUCCEEDED" else None for each in wave.children]
            wave.children = []
            self.clock.later(0, lambda: self._go(wave, outputs))

    def _call(self, execution: Execution, call: Call) -> None:
        """Invoke a function, or AWS itself; with a task token its answer counts for nothing, but its error does."""
        waits = call.resource.endswith(".waitForTaskToken")
        if waits:
            execution.token = call.token
            if call.seconds is not None:
                self.clock.later(call.seconds, lambda: self._late(execution, call), background=True)
        self.at_work, before = execution, self.at_work
        by_itself = "lambda:invoke" not in call.resource
        try:
            if by_itself:
                result = self.invoke(call.resource, call.arguments)
            else:
                result = self.invoke(call.arguments["FunctionName"], call.arguments["Payload"])
        except TaskFailed as error:
            failed = error
            execution.token = None
            self.clock.later(0, lambda: self._go(execution, failed=failed))
            return
        finally:
            self.at_work = before
        if not waits:
            sent = result if by_itself else {"Payload": result, "StatusCode": 200}
            self.clock.later(0, lambda: self._go(execution, sent))

    def _late(self, execution: Execution, call: Call) -> None:
        if execution.token == call.token:
            execution.token = None
            self._go(execution, failed=TaskFailed("States.Timeout"))

    def _end(self, execution: Execution, status: str) -> None:
        if execution.status != "RUNNING":
            return
        execution.status, execution.token = status, None
        for child in execution.children:
            self._end(child, "ABORTED")
        if execution.parent:
            self._settle(execution.parent)
        detail = {"executionArn": execution.arn, "stateMachineArn": execution.machine, "status": status}
        self.emit(
            {
                "version": "0",
                "id": f"{execution.name}-{status}",
                "detail-type": "Step Functions Execution Status Change",
                "source": "aws.states",
                "account": OWNER,
                "region": REGION,
                "resources": [execution.arn],
                "detail": detail,
            }
        )
