"""Looking up submissions whose responses were lost: each has a job, has none, or is undecided.

Theory of operation
-------------------
ListJobs and DescribeJobs lag behind SubmitJob by some seconds, and not in order: that a later job
is visible proves nothing. So each look-up makes several attempts, and its job counts as absent when
a complete listing, 15 seconds after the fault, does not contain it.

All look-ups of a queue share their calls. An attempt that is due joins the next *round*, which
serves every look-up that is open:

* All attempts but the last only have to find the job soon. Their listing begins with the newest
  jobs and ends where an earlier listing has been.
* The last attempt decides, so its listing is complete: all jobs of the queue that AWS can have
  created since the submission was first sent, or of single names where that takes fewer pages. A
  listing that fails, or contains a job that cannot be read, decides nothing.
* A summary of ListJobs has no tags. Jobs of a name that is not unique are described, 100 with one
  call, unless they are known to belong to other submissions. A job that is listed but not described
  yet leaves the look-ups undecided that it may belong to.

A round begins 1.3 to 3 seconds after the last one: later where all look-ups are older than some
seconds, and where it made many calls. A round that decides begins when the 15 seconds of a look-up
are over, or up to 1.3 seconds later if others can then be decided with the same listing; up to 3
seconds where listings are long. So look-ups cost one or two calls per second and queue, however
many are open.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

import dataclasses
import enum
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio

from asyncbatch._aws.api import API, DESCRIBE_LIMIT, FILTERED_PAGE
from asyncbatch._aws.wire.responses import ListedJob
from asyncbatch._submitting.known_jobs import KnownJobs
from asyncbatch._submitting.marks import TAG, Submission, wall_clock
from asyncbatch._submitting.matching import Likeness, likeness, match
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, copy_of

# Seconds from the fault, or from the start of the look-up, to each attempt.
AFTER_A_FAULT = (1.0, 2.2, 5.0, 15.0)
WHILE_CLOSING = (0.0, 1.0, 3.0, 7.0, 15.0)
AFTER_A_RESTART = (0.0, 5.0, 15.0)

# Seconds before each further attempt to describe what the last listing has.
_DESCRIBE_AGAIN = (1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)

_USUAL_SKEW = 5.0  # seconds between our clock and AWS's

_SOON = 3.5  # seconds in which most jobs are found

# Seconds between two rounds: at least, while a look-up is younger than `_SOON`, and at most.
_MIN_PAUSE = 1.3
_MAX_PAUSE = 3.0
_PAUSE_PER_CALL = 0.5

# Seconds that a decision may wait for others, so that they share a listing.
_MIN_SHARING = 1.3
_MAX_SHARING = 3.0
_SHARING_PER_CALL = 0.4

_PAGES_OF_A_GLANCE = 5  # in a listing that only has to find jobs soon

_NOT_LISTED = "no complete listing was received"


class Unsettled(Exception):
    """It cannot be decided whether there is a job."""


class LookUps:
    """The look-ups of one client, which share their calls."""

    def __init__(self, api: API, known: KnownJobs) -> None:
        """Start with none; `known` has the jobs that are not looked for."""
        self._api = api
        self._known = known
        self._searches: dict[str, _Search] = {}

    async def find(
        self, sought: Submission, *, attempts: Sequence[float], within: float
    ) -> str | None:
        """Return the id of the job that a submission made; None if there is none.

        Args:
            sought: The submission.
            attempts: Seconds from now to each attempt; the last one decides.
            within: Seconds that all attempts may take together.

        Raises:
            Unsettled: AWS does not respond or refuses, or its responses do not decide it.
        """
        search = self._searches.get(sought.queue)
        if search is None:
            search = self._searches[sought.queue] = _Search(self._api, self._known, sought.queue)
        look_up = search.open(sought)
        try:
            with anyio.fail_after(within):
                await search.run(look_up, attempts)
        except TimeoutError:
            raise Unsettled(f"AWS did not respond within {within:.0f} s") from None
        except AsyncBatchError as error:
            raise Unsettled(str(error)) from error
        finally:
            search.close(look_up)
            if search.is_idle:
                self._searches.pop(sought.queue, None)
        if look_up.job_id is not None:
            # Not earlier: the job of a caller that is cancelled meanwhile must be found again.
            self._known.accept(sought, look_up.job_id)
        return look_up.job_id


class _Need(enum.Enum):
    """What a look-up needs from the next round."""

    DESCRIPTIONS = enum.auto()
    """Descriptions of jobs that are listed already."""
    NEWEST = enum.auto()
    """In addition, the newest jobs."""
    ALL = enum.auto()
    """All jobs that it may have made."""


@dataclass(eq=False, slots=True)
class _LookUp:
    """A submission that is looked up, and what the rounds so far have shown.

    Attributes:
        sought: The submission.
        began_at: When the look-up began, by the monotonic clock.
        decides_at: When its last attempt is due: from then on, a complete listing decides.
        job_id: The id of its job, once found.
        is_decided: Set when it is found or certainly absent, or no further round can decide it.
        candidates: Ids in the complete listing that may be its job; None before there was one.
        is_waited_for: Whether it may be decided soon: a job is not described yet, for example.
        doubt: Why the last round did not decide it; None where it did.
        failure: Why the last round failed.
        is_readable: Whether all jobs in the complete listing that may be its own could be read.
    """

    sought: Submission
    began_at: float
    decides_at: float = math.inf
    job_id: str | None = None
    is_decided: anyio.Event = field(default_factory=anyio.Event)
    candidates: Collection[str] | None = None
    is_waited_for: bool = False
    doubt: str | None = _NOT_LISTED
    failure: AsyncBatchError | None = None
    is_readable: bool = True

    def is_due(self, now: float) -> bool:
        """Return whether a complete listing decides it, and there was none yet."""
        return now >= self.decides_at and self.candidates is None and self.job_id is None

    async def wait_until(self, moment: float) -> bool:
        """Wait for a time, or until it is decided; return whether it is."""
        with anyio.move_on_after(moment - anyio.current_time()):
            await self.is_decided.wait()
        return self.is_decided.is_set()


class _Search:
    """The open look-ups of a queue, and what was listed and described for them."""

    def __init__(self, api: API, known: KnownJobs, queue: str) -> None:
        self._api = api
        self._known = known
        self._queue = queue
        self._open: list[_LookUp] = []
        self._needs: dict[_LookUp, _Need] = {}
        self._lock = anyio.Lock()
        self._calls = 0  # of this round
        self._next_at = -math.inf  # of rounds that do not decide
        self._sharing = _MIN_SHARING
        self._names: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._listed_at: dict[str, float] = {}
        self._described: dict[str, JobDescription] = {}
        self._tags: dict[str, str] = {}
        self._unreadable: set[str | None] = set()  # names, where these are readable

    def open(self, sought: Submission) -> _LookUp:
        """Begin to look up a submission."""
        look_up = _LookUp(sought, anyio.current_time())
        self._open.append(look_up)
        return look_up

    def close(self, look_up: _LookUp) -> None:
        """End a look-up."""
        self._open.remove(look_up)

    @property
    def is_idle(self) -> bool:
        """Whether no look-up is open."""
        return not self._open

    async def run(self, look_up: _LookUp, attempts: Sequence[float]) -> None:
        """Make the attempts of a look-up until its job is found.

        Raises:
            Unsettled: The last attempt left a doubt.
            AsyncBatchError: AWS refused a call, or did not respond to it.
        """
        started = anyio.current_time()
        look_up.decides_at = started + attempts[-1]
        needs = [_Need.NEWEST] * (len(attempts) - 1) + [_Need.ALL]
        for after, need in zip(attempts, needs, strict=True):
            if not await look_up.wait_until(started + after):
                await self._attempt(look_up, need)
        for delay in _DESCRIBE_AGAIN:
            if not await look_up.wait_until(anyio.current_time() + delay):
                await self._attempt(look_up, _Need.DESCRIPTIONS)
        if look_up.job_id is None and look_up.doubt is not None:
            raise Unsettled(look_up.doubt)

    async def _attempt(self, look_up: _LookUp, need: _Need) -> None:
        """Take part in the next round."""
        self._needs[look_up] = need
        try:
            while look_up in self._needs:
                # Meanwhile, more attempts become due: the round serves them all.
                if await look_up.wait_until(self._round_at(need)):
                    return
                async with self._lock:
                    if look_up in self._needs and anyio.current_time() >= self._round_at(need):
                        await self._round()
        finally:
            self._needs.pop(look_up, None)
        if look_up.failure is not None and look_up.job_id is None:
            raise copy_of(look_up.failure)

    # -- a round ----------------------------------------------------------------------------------

    async def _round(self) -> None:
        began_at, self._calls = anyio.current_time(), 0
        complete = [
            each
            for each in self._open
            if each.is_due(began_at) or self._needs.get(each) is _Need.ALL
        ]
        needs = self._needs | dict.fromkeys(complete, _Need.ALL)
        for look_up in needs:
            look_up.failure = None
        self._unreadable.clear()
        failing = list(needs)
        try:
            if complete:
                await self._list_all(complete)
            elif _Need.NEWEST in needs.values():
                await self._list_newest()
            failing = [each for each in needs if not each.sought.has_unique_name]
            await self._describe()
        except AsyncBatchError as error:
            for look_up in failing:
                look_up.failure = error
        finally:
            self._next_at = began_at + self._pause()
            if complete:
                sharing = self._calls * _SHARING_PER_CALL
                self._sharing = min(max(_MIN_SHARING, sharing), _MAX_SHARING)
        for look_up in needs:
            self._needs.pop(look_up, None)
        self._settle(each for each in complete if each.failure is None)
        self._forget_old()

    def _round_at(self, need: _Need) -> float:
        """Return when the next round for a need may begin: one that decides serves all needs."""
        deciding = [each.decides_at for each, need in self._needs.items() if need is _Need.ALL]
        if deciding:
            latest = min(deciding) + self._sharing
            return max(each.decides_at for each in self._open if each.decides_at <= latest)
        return self._next_at if need is _Need.NEWEST else -math.inf

    def _pause(self) -> float:
        """Return the time between two rounds in seconds: longer where little is to be gained."""
        now = anyio.current_time()
        is_soon = any(now - each.began_at < _SOON and each.job_id is None for each in self._open)
        pause = max(_MIN_PAUSE, self._calls * _PAUSE_PER_CALL)
        return min(pause, _MAX_PAUSE) if is_soon else _MAX_PAUSE

    async def _list_all(self, look_ups: Iterable[_LookUp]) -> None:
        """List all jobs that submissions may have made."""
        earliest = min(map(self._earliest, look_ups))
        names = {look_up.sought.name for look_up in look_ups}
        known_pages = len(self._listed_at) / FILTERED_PAGE
        if len(names) > max(1, known_pages) and await self._list(
            None, earliest, max_pages=len(names)
        ):
            return
        for name in names:
            await self._list(name, earliest)

    async def _list_newest(self) -> None:
        """List new jobs, back to those that were listed before."""
        # A wrong clock does no harm here, as the last attempt takes it into account.
        earliest = min(
            max(self._earliest(each), each.sought.last_sent_at - _USUAL_SKEW) for each in self._open
        )
        names = {look_up.sought.name for look_up in self._open}
        name = names.pop() if len(names) == 1 else None
        await self._list(name, earliest, max_pages=_PAGES_OF_A_GLANCE, only_new=True)

    async def _list(
        self,
        name: str | None,
        earliest: float,
        *,
        max_pages: float = math.inf,
        only_new: bool = False,
    ) -> bool:
        """List jobs of the queue or of a name; return whether all since `earliest` are listed."""
        pages = self._api.list_for_look_up(self._queue, name=name, created_after=earliest)
        count = 0
        async with aclosing(pages):
            async for page in pages:
                count += 1
                self._calls += 1
                is_known_from_here = any(job.job_id in self._listed_at for job in page)
                created_at = [self._add(job) for job in page]
                # AWS cannot filter by name and time. It lists the newest first.
                is_sorted = created_at == sorted(created_at, reverse=True)
                if page and is_sorted and created_at[-1] < earliest:
                    return True
                if count >= max_pages or (only_new and is_known_from_here):
                    return False
        return True

    def _add(self, job: ListedJob) -> float:
        """Note a listed job and return when it was created."""
        now = wall_clock()
        if job.job_id is None or job.name is None:
            self._unreadable.add(job.name)
            return now
        if job.created_at is not None:
            self._known.note_creation(job.job_id, job.created_at)
        created_at = now if job.created_at is None else job.created_at
        self._names[job.name].setdefault(job.job_id, created_at)
        self._listed_at.setdefault(job.job_id, anyio.current_time())
        return created_at

    async def _describe(self) -> None:
        """Describe the jobs that may belong to open look-ups, unless they have unique names."""
        ids = [
            job_id
            for job_id in self._candidates(self._open)
            if job_id not in self._described or "tags" in self._described[job_id].extra
        ]
        self._calls += math.ceil(len(ids) / DESCRIBE_LIMIT)
        for job in await self._api.describe_for_look_up(ids):
            self._described[job.job_id] = job
            if tag := job.tags.get(TAG):
                self._tags[tag] = job.job_id

    def _candidates(self, look_ups: Iterable[_LookUp]) -> list[str]:
        """Return the ids of listed jobs that may belong to look-ups of custom names."""
        earliest: dict[str, float] = {}
        for each in look_ups:
            if not each.sought.has_unique_name:
                name = each.sought.name
                earliest[name] = min(earliest.get(name, math.inf), self._earliest(each))
        return [
            job_id
            for name, moment in earliest.items()
            for job_id, created_at in self._names[name].items()
            if created_at >= moment and job_id not in self._known
        ]

    def _earliest(self, look_up: _LookUp) -> float:
        return self._known.earliest_creation(look_up.sought)

    def _forget_old(self) -> None:
        """Forget jobs that are too old for every open look-up."""
        earliest = min(map(self._earliest, self._open), default=-math.inf)
        for name, jobs in list(self._names.items()):
            for job_id in [each for each, created_at in jobs.items() if created_at < earliest]:
                del jobs[job_id], self._listed_at[job_id]
                if description := self._described.pop(job_id, None):
                    self._tags.pop(description.tags.get(TAG, ""), None)
            if not jobs:
                del self._names[name]

    # -- what it shows ----------------------------------------------------------------------------

    def _settle(self, complete: Iterable[_LookUp]) -> None:
        """Settle the open look-ups of which the listed and described jobs show enough."""
        unmarked: defaultdict[str, list[_LookUp]] = defaultdict(list)
        for look_up in complete:
            look_up.candidates = self._candidates([look_up])
            look_up.is_readable = self._unreadable.isdisjoint({None, look_up.sought.name})
        for look_up in self._open:
            if look_up.job_id is not None:
                continue
            sought = look_up.sought
            look_up.doubt, look_up.is_waited_for = None, False
            if sought.has_unique_name:
                self._found(look_up, next(iter(self._names[sought.name]), None))
            elif sought.tag is not None:
                self._found(look_up, self._tags.get(sought.tag))
            else:
                unmarked[sought.name].append(look_up)
        for look_ups in unmarked.values():
            self._settle_unmarked(look_ups)
        for look_up in self._open:
            self._note_absence(look_up)

    @staticmethod
    def _found(look_up: _LookUp, job_id: str | None) -> None:
        if job_id is not None:
            look_up.job_id = job_id
            look_up.is_decided.set()

    def _settle_unmarked(self, look_ups: Sequence[_LookUp]) -> None:
        """Settle look-ups of one name that only time and content identify."""
        name = look_ups[0].sought.name
        given = {look_up.job_id for look_up in self._open}
        ids = [
            job_id
            for job_id in self._candidates(look_ups)
            if job_id in self._described and job_id not in given
        ]
        # A job that was listed while an alike submission was in progress may be that one's.
        since = self._known.in_progress_since(name)
        clear = [job_id for job_id in ids if self._listed_at[job_id] < since]
        shown = match(
            [look_up.sought for look_up in look_ups],
            [self._described[job_id] for job_id in clear],
            now=wall_clock(),
        )
        for place, look_up in enumerate(look_ups):
            self._found(look_up, shown.jobs.get(place))
            look_up.doubt = shown.doubts.get(place)
            if len(clear) < len(ids):
                look_up.doubt = "other jobs of this name are being submitted"
                look_up.is_waited_for = True

    def _note_absence(self, look_up: _LookUp) -> None:
        """Decide that it has no job, or note what prevents that."""
        if look_up.candidates is None:
            look_up.doubt = _NOT_LISTED
            return
        for job_id in look_up.candidates:
            if job_id in self._known:
                continue
            if job_id not in self._described:
                look_up.doubt = f"ListJobs has job {job_id} and DescribeJobs does not"
                look_up.is_waited_for = True
            elif look_up.sought.tag is not None and _may_lack_tags(
                look_up.sought, self._described[job_id]
            ):
                look_up.doubt = f"job {job_id} has this name, and no tags that can be read"
                look_up.is_waited_for = True
        if not look_up.is_readable:
            look_up.doubt = "ListJobs returned a job that cannot be read"
        if not look_up.is_waited_for:
            look_up.is_decided.set()


def _may_lack_tags(sought: Submission, job: JobDescription) -> bool:
    """Return whether a job may be that of a tagged submission, with tags that cannot be read."""
    if "tags" not in job.extra:
        return False
    return likeness(sought, dataclasses.replace(job, tags={})) is not Likeness.NONE
