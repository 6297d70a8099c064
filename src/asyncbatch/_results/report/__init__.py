"""A report on a run: what happened to each job, why jobs failed, what was asked for and wasted."""
