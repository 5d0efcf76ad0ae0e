"""What the kernel says of cores as a whole: how busy they were, and what the host took from them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreTimes:
    """Seconds since boot, added up over cores, in ticks of 10 ms or so."""

    busy_s: float
    """Spent on anything at all."""
    steal_s: float
    """Wanted, and given to another guest by the host."""

    def since(self, before: "CoreTimes") -> "CoreTimes":
        """What has come since ``before``."""
        return CoreTimes(busy_s=self.busy_s - before.busy_s, steal_s=self.steal_s - before.steal_s)


def core_times(cores: Sequence[int] | None = None, *, stat: Path = STAT) -> CoreTimes:
    """The times of some cores, or of all of the machine's (proc(5), ``/proc/stat``)."""
    wanted = {"cpu"} if cores is None else {f"cpu{core}" for core in cores}
    rows = [line.split() for line in stat.read_text().splitlines() if line.startswith("cpu")]
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    times = [[int(one) * tick_s for one in row[1:9]] for row in rows if row[0] in wanted]
    busy = [user + nice + system + irq + softirq for user, nice, system, _, _, irq, softirq, _ in times]
    return CoreTimes(busy_s=sum(busy), steal_s=sum(row[7] for row in times))
