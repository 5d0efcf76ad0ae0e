"""The sides of a comparison: a stack, at a version or from a checkout, in an image, on a Python; or a finished run."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from common.catalog.frameworks import Framework, frameworks
from common.catalog.images import DEFAULT_PYTHON, images, parse_python
from common.catalog.runtimes import Runtime
from common.catalog.selection import one_of
from common.catalog.stacks import Stack
from common.errors import UsageError
from common.packages import variants
from common.records.run import LoadRun
from common.runtimes.candidates import Candidate, process_candidate
from loadtests.campaign.store import RESULTS, RunFolder, is_run_folder

STACK = "FRAMEWORK[@VERSION or @./CHECKOUT][+SERVER[@VERSION]][:IMAGE, :py3.13 or :IMAGE-py3.13]"
ACCEPTED = f"{STACK}, ./FOLDER, or a finished run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison, as the user named it."""

    text: str
    variable: str
    framework: str | None = None
    version: str | None = None
    server: str | None = None
    """Its name, followed by ``@`` and a version unless that is the pinned one."""
    source: Path | None = None
    image: str | None = None
    python: str | None = None
    run: RunFolder | None = None
    """A finished load test; the other fields are then unset."""

    @classmethod
    def parse(cls, text: str, variable: str) -> "Side":
        """Return the side that ``A=`` or ``B=`` names; ``UsageError`` if it is unknown."""
        for folder in (RESULTS / text, Path(text)):
            if text and is_run_folder(folder):
                return cls(text=text, variable=variable, run=_load_test(RunFolder(folder=folder), f"{variable}={text}"))
        if text.startswith((".", "/", "~")):
            return cls(text=text, variable=variable, source=_folder(text, variable))
        match = re.fullmatch(r"([^+@:]+)(?:@([^:]+?))?(?:\+([^+:/]+))?(?::(.+))?", text)
        if match is None:
            raise UsageError(f"invalid {variable}={text or '(empty)'}: must be {ACCEPTED}.")
        framework, at, server, where = match.groups()
        name, _, after = (server or "").partition("@")
        if where is None and after.lower() in images():  # as tables name stacks
            server, where = name, after
        image, python = _image_and_python(where, variable)
        path = at if at and "/" in at else None
        return cls(
            text=text,
            variable=variable,
            framework=one_of(framework, frameworks(), variable=variable, more=("a folder such as ./mine", "a run")),
            version=None if path else at,
            server=server,
            source=None if path is None else _folder(path, variable),
            image=image,
            python=python,
        )

    def needs_docker(self) -> bool:
        """Return whether it names an image."""
        return self.image is not None

    def candidate(self, other: "Side", runtime: Runtime, server: str) -> Candidate:
        """Return the candidate of this side; unset fields default to the other side's, then to the usual ones.

        Missing wheels and locks are created first.
        """
        framework = self._framework(other)
        chosen = self.server or (other.server if self.source else None) or server
        (stack, *more) = variants.named_stacks(framework.name, chosen, {framework.name: framework})
        if more:
            raise UsageError(f"{self.variable}={self.text} selects {1 + len(more)} stacks. Name one server.")
        return self._candidate(stack, other, runtime)

    def _framework(self, other: "Side") -> Framework:
        if self.source is not None and variants.is_framework_folder(self.source):
            return variants.framework_from_folder(self.source)
        if self.source is not None:
            return variants.framework_from_checkout(frameworks()[self._framework_of_source(other)], self.source)
        framework = frameworks()[self.framework or ""]
        return framework if self.version is None else variants.framework_at_version(framework, self.version)

    def _framework_of_source(self, other: "Side") -> str:
        """Return the framework whose package a checkout holds: the one named, the other side's, or the only one."""
        assert self.source is not None
        project = variants.project_name(self.source)
        fitting = [name for name, one in frameworks().items() if one.package and project in {None, one.package}]
        for name in (self.framework, other.framework):
            if name in fitting:
                return name
        if len(fitting) == 1:
            return fitting[0]
        package = project or "a project without a name"
        raise UsageError(
            f"{self.variable}={self.text} holds {package}, which is not a framework here: must be a folder like those "
            f"under frameworks/, or {STACK}."
        )

    def _candidate(self, stack: Stack, other: "Side", runtime: Runtime) -> Candidate:
        python = self.python or (other.python if self.source else None)
        if runtime is Runtime.PROCESS:
            return process_candidate(stack, python, label=self.text)
        if self.source is not None and not variants.is_framework_folder(self.source):
            raise UsageError(f"{self.variable}={self.text} is a checkout, which needs RUNTIME=process.")
        image = images()[self.image or other.image or "slim"]
        return Candidate(stack=stack, image=image, python=python or DEFAULT_PYTHON, label=self.text)


def both_candidates(a: Side, b: Side, runtime: Runtime, server: str) -> tuple[Candidate, Candidate]:
    """Return the two candidates of a comparison, under different names."""
    first, second = a.candidate(b, runtime, server), b.candidate(a, runtime, server)
    return first, second if second.name != first.name else replace(second, label=f"{second.name}#2")


def _load_test(folder: RunFolder, named: str) -> RunFolder:
    run = folder.run()
    if type(run) is not LoadRun:
        kind = run.__struct_config__.tag
        raise UsageError(f"{named} was written by make {kind}: must be a finished load test or a stack.")
    return folder


def _image_and_python(text: str | None, variable: str) -> tuple[str | None, str | None]:
    """Return the image and the Python that are named after the colon."""
    match = re.fullmatch(r"(?:(.*?)-)?py([0-9.]+)|(.*)", text or "")
    assert match is not None
    image = match[1] or match[3]
    return (
        one_of(image, images(), variable=variable, more=("py3.13",)) if image else None,
        _python(match[2], variable) if match[2] else None,
    )


def _python(text: str, variable: str) -> str:
    try:
        return parse_python(text)
    except UsageError as error:
        raise UsageError(f"invalid {variable}=...py{text}: must be a version such as py3.12 or py3.13.2.") from error


def _folder(text: str, variable: str) -> Path:
    folder = Path(os.path.expanduser(text)).resolve()  # noqa: PTH111 -- leaves an unknown user as it is
    if not os.path.isdir(folder):  # noqa: PTH112 -- false for impossible names too
        raise UsageError(f"{variable}={text} does not exist: must be {ACCEPTED}.")
    if not any((folder / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise UsageError(f"{variable}={text} holds neither pyproject.toml nor setup.py: must be {ACCEPTED}.")
    return folder
