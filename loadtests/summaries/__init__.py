"""Summaries computed from recorded visits, in one pure module per experiment."""
