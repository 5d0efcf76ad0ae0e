"""A flame graph as one self-contained page. Pure."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from markupsafe import Markup

from loadtests.page.writing import style, style_file, templates
from loadtests.profiles.owners import MEANING, CallStack, Frame, Owner, Profile, self_samples

WIDTH, ROW_HEIGHT, CHARACTER, MARGINS = 1200.0, 17, 6.6, 6
"""In the picture's own units: its width, the height of a function, the width of a letter, the space beside a name."""
SHORTEST = 4
"""The fewest letters of a name that are worth showing."""
LEAST_SHARE = 0.0008
"""Functions below this share of all samples are too narrow to be seen."""
MOST_FUNCTIONS = 20
CallPath = tuple[str, ...]
"""The names of the functions from the root to one; without their files, which differ between versions."""
Kind = Callable[[Frame, CallPath], str]
"""Returns how a function is coloured."""
SURE = 2.0
"""Standard errors of sampling beyond which a share is drawn as changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A function as it is drawn."""

    x: float
    y: float
    width: float
    text: str
    title: str
    kind: str


@dataclass(slots=True, kw_only=True)
class Node:
    """A function, reached by one path of callers."""

    frame: Frame
    samples: int = 0
    callees: dict[Frame, "Node"] = field(default_factory=dict)


def words(profile: Profile) -> Iterator[str]:
    """Yield whose code the server's Python time is spent in."""
    shares = profile.owners.shares(profile.stacks)
    parts = [f"{share:.0%} in {MEANING[owner]}" for owner, share in shares.items()]
    yield f"{profile.name} spends {', '.join(parts[:-1])} and {parts[-1]} ({profile.samples:,} samples)."


def difference(a: Profile, b: Profile) -> Iterator[str]:
    """Yield how the shares of two profiles differ."""
    before, after = a.owners.shares(a.stacks), b.owners.shares(b.stacks)
    there = [owner for owner in Owner if owner in before | after]
    parts = (f"{owner} {before.get(owner, 0.0):.0%} to {after.get(owner, 0.0):.0%}" for owner in there)
    yield f"From {a.name} to {b.name}, as shares of each one's own time: {', '.join(parts)}."


def sentences(profiles: Sequence[Profile]) -> Iterator[str]:
    """Yield whose code the time of one profile is spent in, or of two and how they differ."""
    for profile in profiles:
        yield from words(profile)
    if len(profiles) > 1:
        yield from difference(profiles[0], profiles[-1])


def page(profiles: Sequence[Profile]) -> str:
    """Return the page of one profile, or of two: the second one's graph then shows what differs from the first."""
    first, last = profiles[0], profiles[-1]
    graphs = [(first.name, _bars(first, None))]
    if first is not last:
        graphs.append((f"{last.name}, against {first.name}", _bars(last, first)))
    return templates().get_template("flame.html").render(
        title=" and ".join(profile.name for profile in profiles),
        about="Where Python API frameworks spend their CPU time under load",
        style=Markup(style() + style_file("flame.css")),  # noqa: S704 -- files of ours
        script=Markup(style_file("flame.js")),  # noqa: S704 -- a file of ours
        sentences=list(sentences(profiles)),
        graphs=[(name, bars, max(bar.y for bar in bars) + ROW_HEIGHT) for name, bars in graphs],
        width=WIDTH,
        row_height=ROW_HEIGHT,
        owners=[(owner.value, MEANING[owner]) for owner in Owner if owner in {*first.owners.there, *last.owners.there}],
        compared=first is not last,
        functions=[(profile.name, _functions(profile)) for profile in profiles],
    )  # fmt: skip


def _bars(profile: Profile, against: Profile | None) -> list[Bar]:
    """Return the functions of the picture, callers above callees."""
    if against is None:
        return list(_drawn(profile, lambda frame, _: profile.owners.owner(frame).value))
    shares, known = _shares(merged(profile.stacks)), _shares(merged(against.stacks))

    def changed(_: Frame, path: CallPath) -> str:
        share, before = shares[path], known.get(path, 0.0)
        error = math.sqrt(share * (1 - share) / profile.samples + before * (1 - before) / against.samples)
        if abs(share - before) <= SURE * error:
            return "same"
        return "more" if share > before else "less"

    return list(_drawn(profile, changed))


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


def _drawn(profile: Profile, kind: Kind) -> Iterator[Bar]:
    root = merged(profile.stacks)
    waiting: list[tuple[Node, float, CallPath]] = [(root, 0.0, (root.frame.function,))]
    while waiting:
        node, x, path = waiting.pop()
        share = node.samples / root.samples
        name, width = node.frame.function, share * WIDTH
        where = "" if node is root else f" ({profile.owners.place(node.frame)})"
        yield Bar(
            x=round(x, 2),
            y=(len(path) - 1) * ROW_HEIGHT,
            width=round(width, 2),
            text=_cut(name, int((width - MARGINS) / CHARACTER)),
            title=f"{name}{where}: {share:.1%}",
            kind="all" if node is root else kind(node.frame, path),
        )
        for callee in sorted(node.callees.values(), key=lambda called: called.frame.function):
            if callee.samples / root.samples >= LEAST_SHARE:
                waiting.append((callee, x, (*path, callee.frame.function)))
            x += callee.samples / root.samples * WIDTH


def _cut(name: str, fits: int) -> str:
    if len(name) <= fits:
        return name
    return f"{name[: fits - 1]}…" if fits >= SHORTEST else ""


def _shares(root: Node) -> dict[CallPath, float]:
    """Return each path's share of all samples; callees of one name under one caller count together."""
    found: dict[CallPath, float] = {}
    waiting: list[tuple[Node, CallPath]] = [(root, (root.frame.function,))]
    while waiting:
        node, path = waiting.pop()
        found[path] = found.get(path, 0.0) + node.samples / root.samples
        waiting += [(callee, (*path, callee.frame.function)) for callee in node.callees.values()]
    return found


def _functions(profile: Profile) -> list[tuple[str, str, str, str]]:
    """Return the functions with the most time of their own: name, place, owner, share."""
    most = islice(self_samples(profile.stacks).items(), MOST_FUNCTIONS)
    owners, total = profile.owners, profile.samples
    return [
        (frame.function, owners.place(frame), owners.owner(frame).value, f"{count / total:.1%}")
        for frame, count in most
    ]
