"""``make compare``."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, ParamSpec

from cyclopts import Parameter

from common.catalog.sizes import Runtime
from common.catalog.stacks import DEFAULT
from common.cli.parameters import SizeParameters, changed_of, refuse_given
from common.console import Terminal
from common.errors import BenchmarkError, NotComparedError, SlowerError, UsageError
from common.runtimes.candidates import parse_runtime, require_local
from common.tables import Form, as_json
from common.words import canonical
from loadtests.analysis import outcome
from loadtests.analysis.thresholds import COMPARISON_LOOKS
from loadtests.campaign.loop import conclude, start
from loadtests.campaign.parameters import ExactRounds, LoadParameters, PathsParameters, RunParameters
from loadtests.campaign.plan import parse_share, parse_stopping
from loadtests.campaign.resume import resumable
from loadtests.campaign.store import RunFolder
from loadtests.experiments.compare.experiment import begin_compare, compare_runs, slower_than_allowed, undecided_limits
from loadtests.experiments.compare.sides import ACCEPTED, Side

COMPARE_BUDGET = "11m"
P = ParamSpec("P")


def failing_only_if_slower(command: Callable[P, None]) -> Callable[P, None]:
    """Have a command end with status 1 only if a side is slower than allowed, and with another if anything failed."""

    @wraps(command)
    def told_apart(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (SlowerError, BrokenPipeError):
            raise
        except BenchmarkError as error:
            if error.exit_status != SlowerError.exit_status:
                raise
            raise NotComparedError(str(error)) from error
        except Exception as error:
            raise NotComparedError(
                f"an error of this program: {type(error).__name__}: {error}. Nothing was decided; VERBOSE=1 shows more."
            ) from error

    return told_apart


CompareSide = Annotated[str, Parameter(help=f"{ACCEPTED}.")]


@failing_only_if_slower
@resumable
def compare(
    *,
    a: CompareSide = "",
    b: CompareSide = "",
    server: Annotated[str, Parameter(help="Server of a side that names none.")] = DEFAULT,
    runtime: Annotated[str, Parameter(help="process, docker, or auto: docker for sides that name an image.")] = "auto",
    size: SizeParameters = SizeParameters(),
    load: LoadParameters = LoadParameters(),
    requests: PathsParameters = PathsParameters(),
    rounds: ExactRounds = None,
    budget: Annotated[
        str | None, Parameter(help=f"Time for windows, such as 90s or 15m. Default: {COMPARE_BUDGET}.")
    ] = None,
    margin: Annotated[str, Parameter(help="Sides within this of each other are equivalent, such as 5%.")] = "5%",
    fail_if_slower: Annotated[
        str | None,
        Parameter(help="Go on until B is known to be slower by more than this, such as 3%, or not; status 1 if it is."),
    ] = None,
    run: RunParameters = RunParameters(),
) -> None:
    """Decide whether B is faster than A, slower, or equivalent."""
    terminal = run.terminal()
    limit = None if fail_if_slower is None else parse_share(fail_if_slower, variable="FAIL_IF_SLOWER")
    first, second = Side.parse(a, "A"), Side.parse(b, "B")
    if first.run is not None and second.run is not None:
        given = {"server": server, "runtime": runtime, "size": size, "load": load, "requests": requests}
        reason = "A= and B= name finished runs, which are compared as they are."
        refuse_given(
            changed_of(compare, {**given, "rounds": rounds, "budget": budget, "run": run}) - {"format"}, reason
        )
        _compare_finished(first.run, second.run, parse_share(margin, variable="MARGIN"), limit, terminal)
        return
    if first.run is not None or second.run is not None:
        raise UsageError(f"A={a} and B={b} cannot be compared: must be two finished runs or two stacks.")
    if canonical(runtime) == "auto" and not (first.needs_docker() or second.needs_docker()):
        runtime = Runtime.PROCESS
    kind = require_local(parse_runtime(runtime))
    time_given = COMPARE_BUDGET if rounds is None and budget is None else budget
    most, rule = parse_stopping(rounds=rounds, budget=time_given, margin=margin, looks=COMPARISON_LOOKS)
    begin = begin_compare(
        first,
        second,
        server=server,
        load=requests.apply_to(load.parse(), kind),
        size=size.parse(kind),
        runtime=kind,
        rounds=most,
        stopping=rule,
        fail_if_slower=limit,
        messages=terminal.messages,
    )
    start("compare", begin, run, terminal)


def _compare_finished(a: RunFolder, b: RunFolder, margin: float, limit: float | None, terminal: Terminal) -> None:
    """Print how the stacks that two runs share differ; ``SlowerError`` if one is slower than ``limit`` allows."""
    pairs, left_out = compare_runs(a, b, margin, limit)
    for reason in left_out:
        terminal.say(reason)
    if terminal.form is Form.JSON:
        terminal.write(as_json(pairs))
    else:
        conclude([sentence for pair in pairs for sentence in outcome.sentences(pair, margin)], terminal)
    for warning in undecided_limits(pairs):
        terminal.say(f"warning: {warning}")
    if (failure := slower_than_allowed(pairs)) is not None:
        raise failure
