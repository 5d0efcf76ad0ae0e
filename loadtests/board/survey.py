"""The measurements that a survey has left, and those that fit its budget. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.records.figure import Figure, Metric, Subject
from loadtests.board.rows import BoardRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One experiment of a survey."""

    command: str
    metric: Metric
    """The metric that it measures, for stacks that lack it."""
    stack_s: float
    """About how long one stack takes on two cores, conformance included, with the fewest rounds that give a number."""
    together: bool = False
    """Whether all stacks are measured as soon as one is, since they are compared with each other."""
    needs_image: bool = False


STEPS = (
    Step(command="sizes", metric=Metric.COMPRESSED_BYTES, stack_s=5, needs_image=True),
    Step(command="startup", metric=Metric.START_S, stack_s=15),
    Step(command="memory", metric=Metric.IDLE_BYTES, stack_s=50),
    Step(command="loadtest", metric=Metric.REQUESTS_PER_CPU_S, stack_s=40, together=True),
    Step(command="latency", metric=Metric.P99_S, stack_s=190),
)
"""In the order in which later ones use what earlier ones leave: images, warm files, capacities."""


def lacking(step: Step, rows: Sequence[BoardRow], is_current: Callable[[Figure], bool]) -> list[Subject]:
    """Return the stacks that a step has to measure: those without a figure, or whose figure is not of what is here.

    A figure is if its framework's lock is still the same and ``is_current`` says that nothing else has changed.
    """
    wanted = [row for row in rows if not step.needs_image or row.subject.image is not None]
    found = [row.subject for row in wanted if not _is_known(step.metric, row, is_current)]
    return [row.subject for row in wanted] if found and step.together else found


def _is_known(metric: Metric, row: BoardRow, is_current: Callable[[Figure], bool]) -> bool:
    figure = {
        Metric.COMPRESSED_BYTES: row.compressed,
        Metric.START_S: row.start,
        Metric.IDLE_BYTES: row.idle,
        Metric.REQUESTS_PER_CPU_S: row.rate,
        Metric.P99_S: row.p99,
    }[metric]
    return figure is not None and not row.is_outdated(figure) and is_current(figure)


def fitting(step: Step, subjects: Sequence[Subject], left_s: float) -> list[Subject]:
    """Return the stacks that can be measured in the time left; of those that are compared all, or none."""
    count = max(0, int(left_s // step.stack_s))
    return [] if step.together and count < len(subjects) else list(subjects[:count])


def needed_s(steps: Sequence[tuple[Step, Sequence[Subject]]]) -> float:
    """Return about how long some steps take."""
    return sum(step.stack_s * len(subjects) for step, subjects in steps)
