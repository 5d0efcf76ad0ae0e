"""Results of all experiments joined: one row per stack, its cost, and what is published."""
