"""From records to decisions: intervals, ties, verdicts, and what watches over a run. Pure."""
