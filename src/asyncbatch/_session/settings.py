"""What a client was configured with."""

import random
from dataclasses import dataclass, field

from asyncbatch._aws.connection import Target
from asyncbatch._session.observers import Observers
from asyncbatch._values.defaults import JobDefaults
from asyncbatch._values.policies import Journal, LogPolicy, PollPolicy, RateLimits
from asyncbatch._values.recovery import RecoveryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a client was configured with."""

    target: Target
    poll: PollPolicy
    logs: LogPolicy
    limits: RateLimits
    observers: Observers
    defaults: JobDefaults = field(default_factory=JobDefaults)
    journal: Journal | None = None
    recovery: RecoveryPolicy | None = None
    rng: random.Random = field(default_factory=random.Random)
