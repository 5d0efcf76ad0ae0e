"""Profiles of stacks under load: sampled call stacks, the owners of their code, and flame graphs."""
