"""The controls of a run: copies that must tie, and other use of the machine. Pure."""

from collections.abc import Iterator, Sequence

from common.records.run import Design, LoadRun
from common.records.summary import Controls, Decision, Pair, Verdict
from common.records.window import Window
from loadtests.analysis.comparison import decide, looks_of
from loadtests.analysis.dropping import variation
from loadtests.analysis.thresholds import ALPHA, FALSE_ALARMS
from loadtests.analysis.values import foreign_share, share, throttled_share, waited_share
from loadtests.statistics.spread import Values


def watch(run: LoadRun, windows: Sequence[Window], values: Values) -> Controls:
    """Return what the controls of a run show; ``values`` holds every cell's values by round."""
    loads = [window.load for window in windows if window.load is not None]
    same = _copies(run, values, ALPHA)
    at_stricter_level = _copies(run, values, FALSE_ALARMS / max(1, len(same)))
    load_averages = [window.load_average for window in windows if window.load_average is not None]
    generator_cores = run.setup.usable_generator_cores
    return Controls(
        same=same,
        steal=share(loads, lambda load: load.steal_all_s, run.machine.cores),
        foreign=None if run.design is Design.DUET else foreign_share(loads, len(run.setup.server_cores)),
        load_average_max=max(load_averages, default=None),
        throttled=throttled_share(loads),
        generator_utilisation_max=max(
            (load.generator_cpu_s / load.duration_s / generator_cores for load in loads if load.duration_s),
            default=None,
        ),
        generator_waited=waited_share(loads),
        warnings=dict(_warnings(at_stricter_level)),
    )


def _copies(run: LoadRun, values: Values, alpha: float) -> list[Pair]:
    """Return each cell with its copy, every pair tested at ``alpha`` on its own since it compares no stacks."""
    names = [(cell.control_of, cell.name) for cell in run.cells if cell.control_of]
    copies = [{name: values[name] for name in both if values.get(name)} for both in names]
    looks, margin = looks_of(run), run.stopping.margin
    known = variation(run, values, None)  # a copy shares what its original varies by from run to run
    return [pair for both in copies for pair in decide(both, looks, margin=margin, alpha=alpha, variation=known)]


def _warnings(copies: Sequence[Pair]) -> Iterator[tuple[Verdict, str]]:
    for pair in copies:
        if pair.decision is Decision.DIFFERENT and pair.ratio is not None:
            seen = f"two copies of {pair.a} differ by {abs(pair.ratio.estimate - 1):.1%} (p = {pair.p_value:.2g})"
            way_out = "Other differences here may be as false. Run again on a quieter machine."
            yield Verdict.CONTROL_DIFFERS, f"{seen}. {way_out}"
            return
