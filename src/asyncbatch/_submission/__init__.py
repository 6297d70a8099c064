"""Safe submission: the outcome of every SubmitJob is settled before anything is sent again.

SubmitJob has no idempotency token. `_submitter` sends, and knows whether a job was accepted,
refused, or neither for sure; then `_look_up` looks for it by the mark that `_marks` put on it.
"""

from asyncbatch._submission._marks import Record as Record
from asyncbatch._submission._marks import Submission as Submission
from asyncbatch._submission._marks import unique_name as unique_name
from asyncbatch._submission._submitter import Submitter as Submitter
