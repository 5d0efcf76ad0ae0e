"""What all experiments share: the plan, loop, store and resumption of a run."""
