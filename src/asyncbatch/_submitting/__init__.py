"""Submitting and ending jobs, safely.

    submitter    sends SubmitJob; decides what a fault means; never sends a job twice
    marks        what identifies a submission: a unique name, a tag, or time and content
    look_up      finds the job of a submission whose response was lost
    known_jobs   jobs whose submission is known, so that a look-up need not describe them
    matching     whether a described job can be the one that was submitted (pure)
    coalesce     equal requests as array jobs (pure)
    definitions  registers job definitions, one revision for each content
    termination  terminates many jobs with few calls

The guarantee: a submission makes one job or raises. It is sent again only where the job certainly
does not exist; where that cannot be decided, `SubmitUncertain` names what to look for. A journal
(`_session.resumption`) extends this to programs that are killed: each submission is an intent on
disk before it is sent.
"""
