"""The errors that users see: one family, each kind with its exit status, printed as one line without a traceback.

A message says what is wrong, the value that was given, what is accepted and what to run next.
"""


class BenchmarkError(Exception):
    """An error that ends a command with one line on standard error and ``exit_status``."""

    exit_status = 1


class UsageError(BenchmarkError):
    """A value is invalid, or something that the command needs is missing; nothing was started."""

    exit_status = 2


class FailedError(BenchmarkError):
    """Something that the command started has failed: a build, a server, the conformance suite."""


class SlowerError(BenchmarkError):
    """One side of a comparison is slower than the other by more than its limit allows."""


class NotComparedError(BenchmarkError):
    """Two sides could not be compared, which is not to be taken for one of them being slower."""

    exit_status = 2


class OutOfTimeError(BenchmarkError):
    """The time for a run is over before its last visit."""


class GeneratorBoundError(BenchmarkError):
    """The result may describe the load generator rather than the server under load."""

    exit_status = 3
