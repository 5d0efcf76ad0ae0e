"""Fargate without AWS: a small endpoint that speaks its protocols and runs tasks on the local engine."""
