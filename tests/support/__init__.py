"""Helpers that several test modules share: records, toy stacks, fake services, waits."""
