"""From summaries to tables and sentences: one pure module for each experiment."""
