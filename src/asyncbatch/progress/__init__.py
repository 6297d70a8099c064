"""Progress of many jobs: a live bar in a terminal or a notebook, plain lines elsewhere.

`display` observes clients, so it makes no API calls. What it counts is a `Progress`, which reads no
clock but its argument and draws nothing. rich and IPython are imported when a display is opened.
"""

from asyncbatch.progress._display import display as display
from asyncbatch.progress._model import ArrayProgress as ArrayProgress
from asyncbatch.progress._model import FailedJob as FailedJob
from asyncbatch.progress._model import Progress as Progress
from asyncbatch.progress._model import Snapshot as Snapshot
from asyncbatch.progress._model import WaitingJobs as WaitingJobs

# pyright: reportUnsupportedDunderAll=false
__all__ = sorted(name for name in globals() if not name.startswith("_"))  # noqa: PLE0605
