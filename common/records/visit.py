"""One turn of a cell in a round: what every line of ``visits.jsonl`` says of itself."""

from datetime import datetime
from typing import Annotated

from msgspec import Struct

from common.records.schema import Count, Seconds, says


class Visit(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """One visit to a cell, which measures something fresh: a server, an image, a task."""

    run: Annotated[str, says("The run's id.")]
    round: Annotated[Count, says("Round number, from 1.")]
    position: Annotated[Count, says("Position in the round's order, from 1.")]
    cell: Annotated[str, says("The cell's name.")]
    started_at: Annotated[datetime, says("Start time, UTC.")]
    took_s: Annotated[Seconds | None, says("Wall time since the end of the visit before: what a budget counts.")] = None
    error: Annotated[str | None, says("Why nothing was measured, or how the server ended meanwhile.")] = None
