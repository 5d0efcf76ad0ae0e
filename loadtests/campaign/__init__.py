"""The common part of all experiments: the plan, loop, store and resumption of a run."""
