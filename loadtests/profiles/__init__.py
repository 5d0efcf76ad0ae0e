"""Where a stack spends its CPU time under load: sampled call stacks, whose code they are in, and flame graphs."""
