"""Everything known of each stack, whichever experiment measured it: one row per stack, its cost, what is published."""
