"""Values that many jobs have in common are kept once."""

import json

from asyncbatch import JobDescription
from asyncbatch._aws.wire import responses
from asyncbatch._aws.wire.sharing import SharedValues

DETAIL = {
    "status": "RUNNING",
    "jobQueue": "arn:queue",
    "parameters": {"day": "mon"},
    "propagateTags": False,
    "container": {
        "image": "busybox",
        "command": ["sleep", "1"],
        "environment": [{"name": "A", "value": "1"}],
    },
}


def described(job_id: str, shared: SharedValues) -> JobDescription:
    """Decode a job whose parts are new objects, as in a response of its own."""
    detail = {"jobId": job_id, **json.loads(json.dumps(DETAIL))}
    return responses.job_description(detail, shared)


def test_jobs_of_one_definition_share_their_common_values() -> None:
    shared = SharedValues()
    first, second = described("one", shared), described("two", shared)
    one, two = first.containers[0], second.containers[0]
    assert first.queue is second.queue
    assert first.parameters is second.parameters
    assert first.extra is second.extra
    assert one.image is two.image
    assert one.command is two.command
    assert one.environment is two.environment


def test_shared_values_of_one_connection_are_unknown_to_another() -> None:
    first, second = described("one", SharedValues()), described("two", SharedValues())
    assert first.parameters == second.parameters
    assert first.parameters is not second.parameters


def test_values_of_two_kinds_are_never_exchanged() -> None:
    shared = SharedValues()
    tags, parameters = {"a": "1"}, {"a": "1"}
    assert shared.one("tags", tags) is tags
    assert shared.one("parameters", parameters) is parameters
    assert shared.one("tags", {"a": "1"}) is tags


def test_containers_of_many_images_are_remembered_up_to_a_limit() -> None:
    shared = SharedValues()
    for number in range(1_000):
        shared.container_fields({"image": f"image:{number}"}, lambda _container, _shared: {})
    assert len(shared._by_image) <= 100
