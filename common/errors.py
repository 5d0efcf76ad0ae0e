"""The one family of errors that users meet: what happened, what is accepted, the way out, an exit status."""


class BenchmarkError(Exception):
    """Ends a command with one line on standard error and ``exit_status``."""

    exit_status = 1


class UsageError(BenchmarkError):
    """A value that a user gave cannot be used, or something it needs is not there; nothing was started."""

    exit_status = 2


class FailedError(BenchmarkError):
    """Something that was started did not work: a build, a server, a suite."""


class GeneratorBoundError(BenchmarkError):
    """What was measured may be the load generator, not what it loaded."""

    exit_status = 3
