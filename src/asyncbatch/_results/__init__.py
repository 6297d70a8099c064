"""Results of many jobs: as a list that shows itself, as rows of a table, and as a report.

It works on values only: no calls, no clock. A report is an HTML file that contains all of its data
and needs no network; jinja2, which fills its template, is imported when one is written.
"""
