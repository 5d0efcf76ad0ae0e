"""Every experiment, by the type of its runs."""

from collections.abc import Mapping
from typing import Any

from common.records.experiments.footprint import FootprintRun
from common.records.experiments.generator import DistributedRun, GeneratorRun
from common.records.experiments.latency import CausesRun, LatencyRun, WorkersRun
from common.records.experiments.memory import MemoryRun
from common.records.experiments.startup import FargateRun, StartupRun
from common.records.run import CompareRun, CrosscheckRun, HistoryRun, LoadRun, Run
from loadtests.campaign.experiment import Experiment
from loadtests.experiments.causes import Causes
from loadtests.experiments.compare import Compare
from loadtests.experiments.fargate import TaskStarts
from loadtests.experiments.history import History
from loadtests.experiments.latency import Latency
from loadtests.experiments.loadtest import LoadTest
from loadtests.experiments.memory import Memory
from loadtests.experiments.sizes import Sizes
from loadtests.experiments.startup import Startup
from loadtests.experiments.workers import Workers
from loadtests.generator.comparison import GeneratorComparison
from loadtests.generator.crosscheck import Crosscheck
from loadtests.generator.distributed import Distributed

EXPERIMENTS: Mapping[type[Run], type[Experiment[Any, Any]]] = {
    LoadRun: LoadTest,
    HistoryRun: History,
    CompareRun: Compare,
    CrosscheckRun: Crosscheck,
    LatencyRun: Latency,
    WorkersRun: Workers,
    CausesRun: Causes,
    StartupRun: Startup,
    MemoryRun: Memory,
    FootprintRun: Sizes,
    FargateRun: TaskStarts,
    GeneratorRun: GeneratorComparison,
    DistributedRun: Distributed,
}


def experiment_of(run: Run) -> Experiment[Any, Any]:
    """Return the experiment of a run."""
    return EXPERIMENTS[type(run)](run)
