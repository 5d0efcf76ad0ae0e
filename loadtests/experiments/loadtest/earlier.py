"""The finished runs that this machine holds, and what they say of variation from run to run."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice

from msgspec.structs import replace

from common.errors import UsageError
from common.records.run import LoadRun
from common.records.summary import BetweenRuns
from loadtests.analysis.across_runs import RecordedRun
from loadtests.analysis.between_runs import default_between_runs
from loadtests.analysis.rates import estimates
from loadtests.analysis.together import circumstances_of, is_doubted, series_of, stack_rows
from loadtests.analysis.verdicts import is_valid
from loadtests.campaign import store
from loadtests.campaign.store import RunFolder, run_folders
from loadtests.experiments.loadtest.experiment import LoadTest, read_load_test, why_unfinished
from loadtests.statistics.components import Estimate, between_runs

FEWEST = 3
"""The fewest runs that say more of variation than the default."""
MOST = 20
"""The newest ones are read, since machines change."""


def with_earlier(run: LoadRun) -> LoadTest[LoadRun]:
    """Return a load test that is about to begin, with what the runs that this machine holds show.

    They show what stacks vary by, as far as they repeat each other and are of about as many stacks, measured in the
    same way; those of the same stacks are pooled with the new run at its end.
    """
    series = defaultdict[str, list[RecordedRun]](list)
    for recorded in [*islice(_alike(run), MOST)][::-1]:
        series[series_of(recorded.run)].append(recorded)
    repeated = [recorded.summary for recorded in series[series_of(run)]]
    return LoadTest(replace(run, between_runs=_shown_by([*series.values()], run)), repeated)


def _shown_by(series: Sequence[Sequence[RecordedRun]], run: LoadRun) -> BetweenRuns | None:
    """Return the variation between runs that these show; the default if they are too few, ``None`` for a comparison."""
    repeated, default = [runs for runs in series if len(runs) > 1], default_between_runs(run)
    ids = sorted(recorded.run.id for runs in repeated for recorded in runs)
    if default is None or len(ids) < FEWEST:
        return default
    found = between_runs([[_estimates(recorded) for recorded in runs] for runs in repeated], default)
    return BetweenRuns(sd=found.sd, freedom=found.freedom, runs=ids)


def _alike(run: LoadRun) -> Iterator[RecordedRun]:
    """Yield the finished runs of this machine that resemble ``run`` and are not in doubt, the newest first.

    One that was published may lie in two folders, and counts once.
    """
    default, circumstances, seen = default_between_runs(run), circumstances_of(run), {run.id}
    folders = [folder for root in (store.RESULTS, store.PUBLISHED) for folder in run_folders(root)]
    for folder, other in sorted(_load_tests(folders), key=lambda found: found[1].id, reverse=True):
        like = default_between_runs(other) == default and circumstances_of(other) == circumstances
        if not like or other.id in seen:
            continue
        with suppress(UsageError, OSError):
            recorded = read_load_test(folder)
            if why_unfinished(folder) is None and not is_doubted(recorded.summary):
                seen.add(other.id)
                yield recorded


def _load_tests(folders: Iterable[RunFolder]) -> Iterator[tuple[RunFolder, LoadRun]]:
    """Yield the folders of load tests whose manifest can be read."""
    for folder in folders:
        with suppress(UsageError):
            run = folder.run()
            if type(run) is LoadRun:
                yield folder, run


def _estimates(recorded: RecordedRun) -> Mapping[str, Estimate]:
    """Return the estimates of the stacks that have a valid number."""
    valid = {row.cell for row in stack_rows(recorded.summary) if is_valid(row.verdict)}
    return {name: estimate for name, estimate in estimates(recorded.run, recorded.windows).items() if name in valid}
