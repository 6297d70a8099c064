"""Requests from files: JSON, JSON lines, YAML, and CSV with or without a template.

Nothing here reads a file or sends anything: text goes in, requests or a list of problems come out,
so that all lines are checked before the first job is submitted.

- `json_text`, `yaml_text` and `csv_text` make documents from text: the members of one request, with
  the line where it begins. A number keeps its spelling (`scalars`), and a date is text: a parameter
  ``007`` or ``2024-01-15`` reaches the job as it was written.
- `template` makes documents from the rows of a CSV file and a template.
- `fields` makes the fields of a `JobRequest` from a document. A document uses the names of
  `JobRequest`, or it is a SubmitJob document as ``aws batch submit-job --cli-input-json`` reads it
  (`submit_job_fields`).
- `reading` puts these together.
"""
