"""The contract's conformance suite, and how stacks are held to it."""
