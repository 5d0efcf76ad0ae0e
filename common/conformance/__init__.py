"""The conformance suite, which checks that a running stack fulfils the contract, and the code that runs it."""
