"""Submitting and ending jobs, safely.

    submitter    sends SubmitJob; decides what a fault means; never sends a job twice
    marks        what identifies a submission: a unique name, a tag, or time and content
    look_up      finds the jobs of submissions whose responses were lost, with shared calls
    known_jobs   which jobs belong to submissions already; how AWS's clock relates to ours
    matching     which described jobs can be those of unmarked submissions (pure)
    coalesce     equal requests as array jobs (pure)
    definitions  registers job definitions, one revision for each content
    termination  terminates many jobs with few calls

The guarantee: a submission makes one job or raises. It is sent again only where the job certainly
does not exist; where that cannot be decided, `SubmitUncertain` names what to look for. A journal
(`_session.resumption`) extends this to programs that are killed: each submission is an intent on
disk before it is sent.
"""
