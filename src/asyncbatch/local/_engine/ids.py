"""Identifiers and ARNs. One seeded generator draws all of them, so that a run can be repeated."""

import random
import re
import uuid

REGION = "local"
ACCOUNT = "000000000000"
BATCH_ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}:"
CLUSTER = "local"

# Python refuses to convert a text of thousands of digits.
_NUMBER = re.compile("[0-9]{1,18}")


def number_of(text: str) -> int | None:
    """Return the number that a text is; None for any other text."""
    return int(text) if _NUMBER.fullmatch(text) else None


class IdMaker:
    """Draws identifiers in AWS's formats.

    Args:
        seed: A run with the same seed draws the same identifiers; None draws different ones in
            every run.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._rng = random.Random(seed)
        self._seed = self._rng.getrandbits(64)

    def uuid(self) -> str:
        """Return an identifier in the format of job ids and request ids."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def task_id(self) -> str:
        """Return an identifier in the format of ECS task ids."""
        return f"{self._rng.getrandbits(128):032x}"

    def rng_for(self, *key: object) -> random.Random:
        """Return a generator that depends only on the seed and `key`, not on earlier draws.

        An attempt's script stays the same when other jobs are added to a run.
        """
        return random.Random(f"{self._seed}/{'/'.join(map(str, key))}")


def batch_arn(kind: str, name: str) -> str:
    """Return the ARN of a Batch resource, such as `job` or `job-queue`."""
    return f"{BATCH_ARN}{kind}/{name}"


def task_arn(task_id: str) -> str:
    """Return the ARN of the ECS task that an attempt runs as."""
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{task_id}"


def resource_name(reference: str, kind: str) -> str:
    """Return the name of a resource that is given by its name or its ARN."""
    return reference.removeprefix(f"{BATCH_ARN}{kind}/")
