"""Reads run folders of schema versions 1 and 2 as version 3.

Each command had a folder layout of its own: the manifest and the lines of its files are rewritten here, as plain JSON
values, before they are validated like any other record. Summaries are not read: they are computed from the visits.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]

HEAD = ("schema_version", "id", "started_at", "revision", "command_line", "seed", "rounds", "runtime", "machine")
LINES = {
    "windows.jsonl": "window",
    "canaries.jsonl": "canary",
    "visits.jsonl": "traffic",
    "pulls.jsonl": "pull",
    "memory.jsonl": "memory",
    "limits.jsonl": "limit",
}
"""The files of lines that old folders hold, and the kind of visit in each; ``starts.jsonl`` holds one of two."""


def is_old(folder: Path) -> bool:
    """Return whether a folder was written before schema version 3; what cannot be read was not."""
    if not (folder / "run.json").is_file():
        return (folder / "sizes.json").is_file() or (folder / "experiment.json").is_file()
    try:
        return "experiment" not in _document(folder / "run.json")
    except (OSError, ValueError, RecursionError):
        return False


def upgraded_run(folder: Path) -> Json:
    """Return the manifest in an old folder, as a document of version 3."""
    if (folder / "sizes.json").is_file():
        return _sizes(_document(folder / "sizes.json"))
    if (folder / "experiment.json").is_file():
        return _fargate(_document(folder / "experiment.json"))
    document = _document(folder / "run.json")
    if "verb" in document:
        return _latency(document)
    if "pulls" in document:
        return _head(document) | _startup(document)
    if "limits" in document:
        return _head(document) | _memory(document)
    return _head(document) | _loadtest(document)


def upgraded_lines(folder: Path) -> Iterator[tuple[Path, int, bytes]]:
    """Yield every line of an old folder's files as one of ``visits.jsonl``, with its file and number, from 1.

    A line that is not JSON is yielded as it is, for the reader to complain about, unless it is the last of its file:
    that is how a kill leaves one.
    """
    if (folder / "sizes.json").is_file():
        for number, visit in enumerate(_weighed(_document(folder / "sizes.json")), start=1):
            yield folder / "sizes.json", number, json.dumps(visit).encode()
        return
    run = str(upgraded_run(folder)["id"])
    starts = "task" if (folder / "experiment.json").is_file() else "start"
    for name, kind in (LINES | {"starts.jsonl": starts}).items():
        file = folder / name
        if file.is_file():
            lines = file.read_bytes().splitlines()
            for number, line in enumerate(lines, start=1):
                upgraded = _line(line, kind, run)
                if upgraded is not None or number < len(lines):
                    yield file, number, upgraded or line


def _document(file: Path) -> Json:
    document = json.loads(file.read_bytes())
    return document if isinstance(document, dict) else {}


def _line(line: bytes, kind: str, run: str) -> bytes | None:
    """Return the line as one of ``visits.jsonl``; ``None`` where it is not JSON."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    head = {"kind": kind, "run": run, "round": 1, "position": 1, "started_at": "1970-01-01T00:00:00Z"}
    if "point" in document:
        document["cell"] = document.pop("point")
    return json.dumps(head | {"cell": ""} | document).encode()


def _head(document: Mapping[str, Any]) -> Json:
    return {name: document[name] for name in HEAD if name in document}


def _loadtest(document: Mapping[str, Any]) -> Json:
    design = document.get("design", "rounds")
    return {
        "experiment": _experiment(document, design),
        "design": "alone" if design == "rounds" else design,
        "stopping": _given(document, "fewest_rounds", "looks", "budget_s", "precision", "margin"),
        "setup": _setup(document),
        "cells": document["cells"],
        **_given(document, "sides", "server_asked"),
    }


def _experiment(document: Mapping[str, Any], design: str) -> str:
    """Tell a comparison and a crosscheck, which share a design, apart by what their command line says."""
    if design == "rounds":
        return "loadtest"
    words = shlex.split((document.get("command_line") or [""])[0])
    return "crosscheck" if "crosscheck" in words or ", " in document.get("tool", "") else "compare"


def _setup(document: Mapping[str, Any]) -> Json:
    tool = document.get("tool", "locust")
    return {
        "size": {"vcpu": document["vcpu"], "memory_bytes": document["memory_bytes"]},
        **_given(document, "server_cores", "generator_cores", "load_path", "ceiling"),
        "load": {
            **_given(document, "scenario", "users", "delay_ms", "arrivals", "warmup_s", "window_s"),
            "generator_workers": document.get("workers", 0),
            "tool": tool if ", " not in tool else "locust",
            "rate": _rate(document.get("rate")),
            "objective": _objective(document.get("objective")),
        },
    }


def _latency(document: Mapping[str, Any]) -> Json:
    run = document["run"]
    points = [
        {
            **_given(point, "name", "stack", "neighbours", "proxied", "server_cores", "generator_cores", "missing"),
            "size": {
                "vcpu": point["vcpu"],
                "memory_bytes": point.get("memory_bytes"),
                "worker_count": point["workers"],
                "period_s": point.get("period_s"),
            },
            "traffic": [traffic | {"rate": _rate(traffic.get("rate"))} for traffic in point["traffic"]],
        }
        for point in document["points"]
    ]
    return {
        **_head(run),
        "experiment": document["verb"],
        "setup": _setup(run),
        "cells": run["cells"],
        "points": points,
    }


def _startup(document: Mapping[str, Any]) -> Json:
    cells = [cell | {"size": {"vcpu": cell["vcpu"]}} for cell in document["cells"]]
    return {"experiment": "startup", "cold_by": document["cold_by"], "cells": cells, "pulls": document["pulls"]}


def _memory(document: Mapping[str, Any]) -> Json:
    cells = [cell | {"size": {"vcpu": cell["vcpu"], "worker_count": cell["workers"]}} for cell in document["cells"]]
    return {"experiment": "memory", **_given(document, "requests", "connections", "limits"), "cells": cells}


def _fargate(document: Mapping[str, Any]) -> Json:
    cells = [
        cell
        | {
            "stack": _unknown_stack(cell["image"]),
            "size": {"vcpu": cell["vcpu"], "memory_bytes": cell["memory_bytes"]},
        }
        for cell in document["cells"]
    ]
    return {
        **_head(document),
        "experiment": "fargate",
        "rounds": document["tasks"],
        "runtime": "fargate",
        "machine": _UNKNOWN_MACHINE,
        **_given(document, "name", "region", "architecture", "public", "prices"),
        "cells": cells,
    }


def _sizes(document: Mapping[str, Any]) -> Json:
    cells = [{"name": cell["name"], "weighs": "image", "stack": _stack_of(cell)} for cell in document["images"]]
    cells += [
        {"name": name, "weighs": "libraries", "stack": _unknown_stack(name)}
        for name in (["libraries"] if document["libraries"] else [])
    ]
    return {
        **_head(document),
        "experiment": "sizes",
        "command_line": [],
        "seed": 0,
        "rounds": 1,
        "runtime": "docker" if document["images"] else "process",
        **_given(document, "registry", "zstd_level", "missing"),
        "cells": cells,
    }


def _weighed(document: Mapping[str, Any]) -> Iterator[Json]:
    head = {"run": document["id"], "round": 1, "position": 1, "started_at": document["started_at"]}
    for image in document["images"]:
        yield head | {"kind": "image", "cell": image["name"], "footprint": image}
    if document["libraries"]:
        yield head | {"kind": "libraries", "cell": "libraries", "libraries": document["libraries"]}


def _stack_of(image: Mapping[str, Any]) -> Json:
    return _unknown_stack(image["name"]) | {
        **_given(image, "framework", "server", "image", "image_id", "lock_sha256", "stand_in_base", "base"),
    }


def _unknown_stack(name: str) -> Json:
    """Return a cell of which only the name is known: these old records kept no more."""
    return {
        "name": name,
        "framework": "",
        "title": "",
        "version": None,
        "interface": "",
        "server": "",
        "server_packages": [],
        "lock_sha256": "",
        "keep_alive": True,
        "python": "",
    }


_UNKNOWN_MACHINE: Json = {
    "cpu_model": "unknown",
    "cores": 0,
    "memory_bytes": 0,
    "kernel": "unknown",
    "cgroup_version": 0,
    "python": "unknown",
}


def _rate(text: str | None) -> Json | None:
    if text is None:
        return None
    return {"share": float(text.removesuffix("%")) / 100} if text.endswith("%") else {"rps": float(text)}


def _objective(text: str | None) -> Json | None:
    """Translate a valid objective, such as ``p99<50ms``: it was checked when it was written."""
    if text is None:
        return None
    percentile, _, limit = text.replace(":", "<").replace(" ", "").partition("<")
    digits = percentile.lstrip("p")
    seconds = float(limit.removesuffix("ms")) / 1000 if limit.endswith("ms") else float(limit.removesuffix("s"))
    return {"fraction": int(digits) / 10 ** len(digits), "limit_s": seconds}


def _given(document: Mapping[str, Any], *names: str) -> Json:
    """Return those of the fields that a document has: the others keep the defaults of version 3."""
    return {name: document[name] for name in names if name in document}
