"""Call stacks that py-spy saw, and the tree they form. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_FRAME = re.compile(r"(?P<function>.+?) \((?P<file>.*?)(?::(?P<line>\d+))?\)")


class Frame(NamedTuple):
    """A function on a call stack."""

    function: str
    file: str
    line: int


class CallStack(NamedTuple):
    """A call stack, outermost frame first, and the number of samples that found it."""

    frames: tuple[Frame, ...]
    samples: int


@dataclass(slots=True, kw_only=True)
class Node:
    """A function, reached by one path of callers."""

    frame: Frame
    samples: int = 0
    callees: dict[Frame, "Node"] = field(default_factory=dict)


def parse_samples(text: str) -> list[CallStack]:
    """Return the call stacks in py-spy's raw format: a line each, frames joined by semicolons, then the count.

    Entries that are not functions, such as the process name that py-spy puts first, are left out.
    """
    return [stack for line in text.splitlines() if (stack := _stack(line)).frames]


def merged(stacks: Iterable[CallStack]) -> Node:
    """Return the tree of all call stacks, under a root that stands for the whole program."""
    root = Node(frame=Frame("all", "", 0))
    for stack in stacks:
        root.samples += stack.samples
        node = root
        for frame in stack.frames:
            node = node.callees.setdefault(frame, Node(frame=frame))
            node.samples += stack.samples
    return root


def self_samples(stacks: Iterable[CallStack]) -> Mapping[Frame, int]:
    """Return how often each function was the innermost one, the most frequent first."""
    counts = Counter[Frame]()
    for stack in stacks:
        counts[stack.frames[-1]] += stack.samples
    return dict(counts.most_common())


def _stack(line: str) -> CallStack:
    frames, _, count = line.rpartition(" ")
    return CallStack(tuple(_frames(frames)), int(count) if count.isdigit() else 0)


def _frames(text: str) -> Iterator[Frame]:
    for part in text.split(";"):
        if match := _FRAME.fullmatch(part):
            yield Frame(match["function"], match["file"], int(match["line"] or 0))
