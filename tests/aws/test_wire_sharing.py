"""What many jobs have in common takes memory once."""

import json

from asyncbatch._aws.wire import responses


def test_what_jobs_have_in_common_is_kept_once() -> None:
    """A hundred thousand jobs of one definition have one command and one environment."""
    detail = {
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
    # Parsed twice, as from two answers: nothing is the same object before.
    first, second = (
        responses.job_description({"jobId": job_id, **json.loads(json.dumps(detail))})
        for job_id in ("one", "two")
    )
    one, two = first.containers[0], second.containers[0]
    assert first.queue is second.queue
    assert first.parameters is second.parameters
    assert first.extra is second.extra
    assert one.image is two.image
    assert one.command is two.command
    assert one.environment is two.environment
