"""Safe submission: the outcome of every SubmitJob is settled before anything is sent again.

SubmitJob has no idempotency token. `_submitter` sends, and knows whether a job was accepted,
refused, or neither for sure; then `_look_up` looks for it by the mark that `_marks` put on it.
"""
