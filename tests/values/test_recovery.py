"""The rules of a recovery policy: which failure is followed by which submission."""

import copy
import pickle
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch import (
    Container,
    Failure,
    FailureKind,
    InvalidRequest,
    JobDescription,
    JobRequest,
    JobResult,
    JobStatus,
    JobSubmission,
    RecoveryPolicy,
    RecoveryRule,
)
from asyncbatch._values.fargate import fargate_size
from asyncbatch._values.recovery import CHANGEABLE
from asyncbatch._values.requests import JobFields

SPOT, LOST, OOM = (
    FailureKind.SPOT_INTERRUPTION,
    FailureKind.HOST_LOST,
    FailureKind.OUT_OF_MEMORY,
)
TERMINATED, CANCELLED = FailureKind.TERMINATED, FailureKind.CANCELLED
EXIT, IMAGE, DEPENDENCY = FailureKind.EXIT_CODE, FailureKind.IMAGE_PULL, FailureKind.DEPENDENCY
GIB = 1024

# As Any: some values are of a wrong type on purpose.
Rule: Any = RecoveryRule
Policy: Any = RecoveryPolicy
Request: Any = JobRequest


def failed(kind: FailureKind, exit_code: int | None = None) -> JobResult:
    return JobResult(
        description=JobDescription(
            job_id="j", status=JobStatus.FAILED, containers=(Container(exit_code=exit_code),)
        ),
        failure=Failure(kind=kind, transient=True, message="it failed"),
    )


def submissions(
    *rules: int | None,
    kind: FailureKind = LOST,
    **size: Any,  # noqa: ANN401 - of any field
) -> list[JobSubmission]:
    """Return failed submissions: the first one, and those that rules added."""
    failure = Failure(kind=kind, transient=True, message="")
    values = {"memory_mib": 1000, "vcpus": 1.0, **size}
    return [
        JobSubmission(job_id=str(number), failure=failure, rule=rule, **values)
        for number, rule in enumerate((None, *rules))
    ]


def next_changes(
    policy: RecoveryPolicy, result: JobResult, made: Sequence[JobSubmission]
) -> Mapping[str, Any] | None:
    decision = policy.decide(result, made, random.Random(1))
    return None if decision is None else decision.changes


ON_DEMAND = RecoveryPolicy.for_spot(fallback_queue="on-demand")
THREE_QUEUES = RecoveryPolicy.for_spot(fallback_queue=["a", "b"], max_submissions=4)
MEMORY = RecoveryPolicy.more_memory(max_memory_mib=3000)
BOTH = ON_DEMAND | MEMORY
ON_75 = RecoveryPolicy([RecoveryRule(exit_codes=[75], times=2, fields={"vcpus": 4})])
BY_MESSAGE = RecoveryPolicy(
    [RecoveryRule(when=lambda failure: "failed" in failure.message, queues=["other"])]
)
COMPUTED = RecoveryPolicy(
    [RecoveryRule(kinds=[EXIT], change=lambda result: {"vcpus": result.exit_code})]
)


@pytest.mark.parametrize(
    ("policy", "result", "made", "expected"),
    [
        # Spot
        (ON_DEMAND, failed(SPOT), submissions(), {"queue": "on-demand"}),
        (ON_DEMAND, failed(LOST), submissions(0), {"queue": "on-demand"}),
        (ON_DEMAND, failed(LOST), submissions(0, 0), None),
        (RecoveryPolicy.for_spot(), failed(SPOT), submissions(), {}),
        (THREE_QUEUES, failed(SPOT), submissions(), {"queue": "a"}),
        (THREE_QUEUES, failed(SPOT), submissions(0), {"queue": "b"}),
        (THREE_QUEUES, failed(SPOT), submissions(0, 0), {"queue": "b"}),
        (ON_DEMAND, failed(OOM), submissions(), None),
        (ON_DEMAND, failed(EXIT, 1), submissions(), None),
        (ON_DEMAND, failed(IMAGE), submissions(), None),
        # Memory
        (MEMORY, failed(OOM), submissions(), {"memory_mib": 2000}),
        (MEMORY, failed(OOM), submissions(0, memory_mib=2000), {"memory_mib": 3000}),
        (MEMORY, failed(OOM), submissions(memory_mib=3000), None),
        (MEMORY, failed(OOM), submissions(memory_mib=5000), None),
        (MEMORY, failed(OOM), submissions(memory_mib=None), None),
        (RecoveryPolicy.more_memory(factor=1.5), failed(OOM), submissions(memory_mib=7),
         {"memory_mib": 11}),
        # Combined: the first rule that matches decides, each with its own limit.
        (BOTH, failed(OOM), submissions(0), {"memory_mib": 2000}),
        (BOTH, failed(SPOT), submissions(1), {"queue": "on-demand"}),
        (BOTH, failed(SPOT), submissions(1, 0), None),
        # Exit codes, predicates, functions
        (ON_75, failed(EXIT, 75), submissions(), {"vcpus": 4}),
        (ON_75, failed(EXIT, 1), submissions(), None),
        (ON_75, failed(EXIT, None), submissions(), None),
        (BY_MESSAGE, failed(IMAGE), submissions(), {"queue": "other"}),
        (BY_MESSAGE, failed(IMAGE), submissions(0), None),
        (COMPUTED, failed(EXIT, 8), submissions(), {"vcpus": 8}),
        # Never: what a person ended, and an empty policy.
        (BY_MESSAGE, failed(TERMINATED), submissions(), None),
        (BY_MESSAGE, failed(CANCELLED), submissions(), None),
        (RecoveryPolicy(), failed(SPOT), submissions(), None),
        # A job that failed with its dependency never ran, so that does not count.
        (ON_DEMAND, failed(SPOT), submissions(None, None, None, kind=DEPENDENCY),
         {"queue": "on-demand"}),
    ],
)  # fmt: skip
def test_policy_decides_what_the_next_submission_changes(
    policy: RecoveryPolicy,
    result: JobResult,
    made: list[JobSubmission],
    expected: Mapping[str, Any] | None,
) -> None:
    assert next_changes(policy, result, made) == expected


@pytest.mark.parametrize(
    ("vcpus", "memory", "at_most", "expected"),
    [
        (0.25, 1024, 10**6, {"memory_mib": 2048}),
        (0.25, 2048, 10**6, {"memory_mib": 4096, "vcpus": 0.5}),
        (1, 8192, 10**6, {"memory_mib": 16384, "vcpus": 2}),
        (4, 30720, 10**6, {"memory_mib": 61440, "vcpus": 8}),
        (16, 81920, 10**6, {"memory_mib": 90112}),  # twice as much is more than there is
        (16, 122880, 10**6, None),
        (1, 2048, 3000, None),  # the next size is 3,072 MiB
        (1, 2048, 3072, {"memory_mib": 3072}),
    ],
)
def test_more_memory_on_fargate_takes_the_next_allowed_size(
    vcpus: float, memory: int, at_most: int, expected: Mapping[str, Any] | None
) -> None:
    policy = RecoveryPolicy.more_memory(max_memory_mib=at_most)
    made = submissions(vcpus=vcpus, memory_mib=memory, is_fargate=True)
    assert next_changes(policy, failed(OOM), made) == expected


@given(st.floats(0, 20), st.integers(0, 200_000))
def test_fargate_size_is_never_smaller_than_asked_for(vcpus: float, memory: int) -> None:
    size = fargate_size(vcpus, memory, at_most=10**6)
    if size is None:
        assert vcpus > 16 or memory > 120 * GIB
    else:
        assert size[0] >= vcpus
        assert size[1] >= memory


@given(st.lists(st.sampled_from([SPOT, LOST, OOM, EXIT, TERMINATED]), max_size=20))
def test_a_job_is_never_submitted_more_often_than_the_policy_allows(
    kinds: list[FailureKind],
) -> None:
    made = submissions()
    for kind in kinds:
        decision = BOTH.decide(failed(kind), made, random.Random(2))
        if decision is None:
            break
        memory = decision.changes.get("memory_mib", made[-1].memory_mib)
        made.append(JobSubmission(job_id="n", rule=decision.rule, memory_mib=memory))
    assert len(made) <= BOTH.max_submissions


def test_delay_doubles_up_to_its_maximum_and_varies_in_its_upper_half() -> None:
    rule = RecoveryRule(kinds=[SPOT], times=9, delay=10, max_delay=60)
    policy = RecoveryPolicy([rule], max_submissions=10)
    delays = []
    for count in range(5):
        decision = policy.decide(failed(SPOT), submissions(*[0] * count), random.Random(3))
        assert decision is not None
        delays.append(decision.delay)
    for delay, longest in zip(delays, [10, 20, 40, 60, 60], strict=True):
        assert longest / 2 <= delay <= longest


async def _is_wanted(failure: Failure) -> bool:
    raise AssertionError(failure)


async def _more(result: JobResult) -> dict[str, int]:
    raise AssertionError(result)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (Rule, "kinds"),
        (lambda: Rule(kinds=["no such kind"]), "kinds"),
        (lambda: Rule(kinds="killed"), "kinds"),
        (lambda: Rule(kinds=[TERMINATED]), "kinds"),
        (lambda: Rule(exit_codes=[256]), "exit_codes"),
        (lambda: Rule(when=lambda failure: True), "when"),
        (lambda: Rule(when=5), "when"),
        (lambda: Rule(kinds=[SPOT], change=5), "change"),
        (lambda: Rule(kinds=[SPOT], times=0), "times"),
        (lambda: Rule(kinds=[SPOT], delay=-1), "delay"),
        (lambda: Rule(kinds=[SPOT], max_delay=float("nan")), "max_delay"),
        (lambda: Rule(kinds=[SPOT], queues="night"), "queues"),
        (lambda: Rule(kinds=[SPOT], queues=[""]), "queues"),
        (lambda: Rule(kinds=[OOM], memory_factor=1), "memory_factor"),
        (lambda: Rule(kinds=[OOM], max_memory_mib=100), "max_memory_mib"),
        (lambda: Rule(kinds=[OOM], fields={"memroy_mib": 5}), "fields"),
        (lambda: Rule(kinds=[OOM], fields={"array_size": 5}), "fields"),
        (lambda: Rule(kinds=[OOM], fields={"job_definition": "etl:latest"}), "job_definition"),
        (lambda: Rule(kinds=[OOM], fields={"queue": 5}), "queue"),
        (lambda: Rule(kinds=[OOM], fields={"parameters": ["a"]}), "parameters"),
        (lambda: Rule(kinds=[OOM], fields={"command": "echo hello"}), "command"),
        (lambda: Rule(kinds=[OOM], fields={"environment": {"AWS_BATCH_X": "1"}}), "environment"),
        (lambda: Rule(kinds=[OOM], fields={"vcpus": "4"}), "vcpus"),
        (lambda: Rule(kinds=[OOM], fields={"memory_mib": 2.5}), "memory_mib"),
        (lambda: Rule(kinds=[OOM], fields={"gpus": 0}), "gpus"),
        (lambda: Rule(kinds=[OOM], fields={"retry": 11}), "retry.attempts"),
        (lambda: Rule(kinds=[OOM], fields={"attempt_timeout": 60}), "attempt_timeout"),
        (lambda: Rule(kinds=[OOM], fields={"tags": {"a": None}}), "tags['a']"),
        (lambda: Rule(kinds=[OOM], fields={"propagate_tags": "yes"}), "propagate_tags"),
        (lambda: Rule(kinds=[OOM], fields={"share_identifier": ""}), "share_identifier"),
        (lambda: Rule(kinds=[OOM], fields={"scheduling_priority": -1}), "scheduling_priority"),
        (
            lambda: Rule(kinds=[OOM], fields={"consumable_resources": {"a": 0}}),
            "consumable_resources['a']",
        ),
        (lambda: Rule(kinds=[OOM], fields={"instance_type": 5}), "instance_type"),
        (lambda: Rule(kinds=[OOM], fields={"node_overrides": {"nodes": 5}}), "node_overrides"),
        (lambda: Rule(kinds=[OOM], fields={"extra": 5}), "extra"),
        (lambda: Policy("spot"), "rules"),
        (lambda: Policy([5]), "rules"),
        (lambda: Policy(max_submissions=0), "max_submissions"),
        (lambda: Policy.for_spot(max_submissions=1), "max_submissions"),
        (lambda: Policy.more_memory(factor=0.5), "factor"),
        (lambda: Policy.for_spot(fallback_queue=5), "fallback_queue"),
        (lambda: Policy.for_spot(fallback_queue={"a", "b"}), "fallback_queue"),
        (lambda: Policy.start_limit(60, fallback_queue=5), "fallback_queue"),
        (lambda: Policy.start_limit(0), "within"),
        (lambda: Policy.start_limit(blocked=False), "within"),
        (lambda: Rule(when=_is_wanted, queues=["a"]), "when"),
        (lambda: Rule(kinds=[SPOT], change=_more), "change"),
        (lambda: Policy.from_text("memory:x1"), "recovery"),
        (lambda: Policy.from_text("spot:1"), "recovery"),
        (lambda: Policy.from_text(f"memory:x2,max={'9' * 5000}"), "recovery"),
        (lambda: Policy.from_text("spot"), "recovery"),
        (lambda: Policy.from_text("spot:3|"), "recovery"),
        (lambda: Policy.from_text("memory:2"), "recovery"),
        (lambda: Request("etl", recovery=5), "recovery"),
        (lambda: Request("etl", recovery=True), "recovery"),
    ],
)
def test_wrong_value_of_a_policy_is_refused_with_its_field(
    make: Callable[[], object], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("spot:3", RecoveryPolicy.for_spot()),
        ("spot:2,fallback=on-demand",
         RecoveryPolicy.for_spot(fallback_queue="on-demand", max_submissions=2)),
        ("spot:4,fallback=a,fallback=b", THREE_QUEUES),
        ("memory:x2,max=3000", MEMORY),
        ("start:600,fallback=a", RecoveryPolicy.start_limit(600, fallback_queue="a")),
        ("memory:x1.5,5", RecoveryPolicy.more_memory(factor=1.5, max_submissions=5)),
        ("spot:3,fallback=on-demand | memory:x2,max=3000", BOTH),
    ],
)  # fmt: skip
def test_short_form_stands_for_a_policy(text: str, policy: RecoveryPolicy) -> None:
    assert RecoveryPolicy.from_text(text) == policy
    assert JobRequest("etl", recovery=text).recovery == policy


def test_a_wrong_result_of_a_function_names_the_field() -> None:
    rule = RecoveryRule(kinds=[EXIT], change=lambda _: {"memory": 5})
    with pytest.raises(InvalidRequest, match="change='memory'"):
        RecoveryPolicy([rule]).decide(failed(EXIT), submissions(), random.Random(4))


@pytest.mark.parametrize("name", ["when", "change"])
def test_a_function_that_returns_a_coroutine_is_refused(name: str) -> None:
    # Of a coroutine, `when` would match every failure.
    rule = Rule(**{name: lambda _: _more(failed(EXIT))}, queues=["a"], exit_codes=[1])
    with pytest.raises(InvalidRequest, match=f"{name}=.*must not be async"):
        RecoveryPolicy([rule]).decide(
            failed(EXIT, 1 if name == "change" else 2), submissions(), random.Random(4)
        )


def test_rules_take_iterators() -> None:
    rule = Rule(kinds=iter([SPOT, OOM]), exit_codes=iter([3]), queues=iter(["a", "b"]))
    assert rule == RecoveryRule(kinds=[OOM, SPOT], exit_codes=[3], queues=["a", "b"])


def test_policies_and_requests_with_them_can_be_pickled_and_copied() -> None:
    policy = RecoveryPolicy([RecoveryRule(kinds=[EXIT], fields={"vcpus": 4})], max_submissions=2)
    request = JobRequest("etl", recovery=policy | BOTH)
    assert pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy) == policy  # noqa: S301 - our own
    assert pickle.loads(pickle.dumps(request)) == copy.deepcopy(request) == request  # noqa: S301 - our own


def test_a_rule_keeps_the_fields_that_it_was_made_with() -> None:
    command = ["etl"]
    fields: dict[str, object] = {"vcpus": 4, "command": command, "gpus": None}
    rule = RecoveryRule(kinds=[EXIT], fields=fields)
    fields["vcpus"] = 8
    command.append("--all")
    assert rule.fields == {"vcpus": 4, "command": ("etl",), "gpus": None}


def test_memory_grows_up_to_the_maximum_where_the_product_is_infinite() -> None:
    policy = RecoveryPolicy.more_memory(factor=1e308, max_memory_mib=5000)
    decision = policy.decide(failed(OOM), submissions(), random.Random(4))
    assert decision is not None
    assert decision.changes == {"memory_mib": 5000}


def test_fields_that_a_rule_may_change_are_fields_of_a_request() -> None:
    fixed = {"name", "key", "array_size", "depends_on", "recovery"}
    assert {"job_definition", *JobFields.__annotations__} - fixed == CHANGEABLE
