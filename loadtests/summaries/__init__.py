"""From what was recorded to what it comes to: one pure module for each experiment."""
