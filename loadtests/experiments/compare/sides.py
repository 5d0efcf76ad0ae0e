"""The sides of a comparison, as users name them: a stack, at a version or built from a source, or a finished run."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from common.catalog.frameworks import Framework, frameworks
from common.catalog.pythons import DEFAULT_PYTHON, OWN_PYTHON
from common.catalog.sizes import Runtime
from common.catalog.stacks import NAME_SYNTAX, Image, Stack, StackName, images
from common.engine.wheels import wheel_in_image
from common.errors import UsageError
from common.packages import variants
from common.packages.checkouts import project_name, wheel_of
from common.packages.commits import commit_of, described, files_at, is_dirty
from common.packages.interpreters import find_interpreter
from common.packages.wheels import WHEEL, is_compiled, package_of, why_unfit
from common.records.run import LoadRun, Origin
from common.runtimes.candidates import DEFAULT_IMAGE, Candidate, process_candidate
from common.words import one_of
from loadtests.campaign.store import RunFolder, run_folder
from loadtests.experiments.loadtest.experiment import why_unfinished

ACCEPTED = (
    f"{NAME_SYNTAX}, a requirement such as 'falcon>=4,<5', ./FOLDER of a framework or a checkout, ./FOLDER@REFERENCE "
    "of git, a wheel, or a finished run"
)
_REQUIREMENT = re.compile(r"([^<>=!~@]+)([<>=!~].*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a side is built from: a folder, as it is or at a commit, or a wheel."""

    path: Path
    named: str
    """The variable and its value, for messages."""
    commit: str | None = None
    """The commit that a reference named or that is checked out, as records have it; ``None`` without git."""
    dirty: bool = False
    """Whether there were changes that are not committed, before a build added files of its own."""

    @classmethod
    def parse(cls, text: str, variable: str) -> "Source":
        """Return the wheel, the folder, or the folder at a git reference that a path names; ``UsageError`` if none."""
        path, named = _expanded(text), f"{variable}={text}"
        if _is_wheel(path):
            package_of(wheel := path.resolve())
            return cls(path=wheel, named=named)
        if "@" not in text or _is_folder(path):
            checkout = _built(path, named)
            return cls(path=checkout, named=named, commit=described(checkout), dirty=is_dirty(checkout))
        folder, reference = _split(text)
        checkout = _folder(folder, named)
        commit = commit_of(checkout, reference)
        files = _built(files_at(checkout, commit), named)
        return cls(path=files, named=named, commit=described(checkout, commit))

    @property
    def is_framework_folder(self) -> bool:
        """Whether it is a folder laid out like those under ``frameworks/``, and no checkout or wheel of a package."""
        return variants.is_framework_folder(self.path)

    @property
    def package(self) -> str | None:
        """The canonical name of the package that it holds; ``None`` if that is not known before it is built."""
        return package_of(self.path) if self.path.suffix == WHEEL else project_name(self.path)

    def origin(self, framework: Framework) -> Origin:
        """Return the record of what ``framework``, which was made from it, was built from."""
        wheel = variants.wheel_in(framework)
        if wheel is None:
            return Origin(commit=self.commit, dirty=self.dirty)
        return Origin(commit=self.commit, dirty=self.dirty, wheel=wheel.name, compiled=is_compiled(wheel))


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison, as the user named it."""

    text: str
    variable: str
    framework: str | None = None
    version: str | None = None
    requirement: SpecifierSet | None = None
    """The versions that are allowed, of which the newest is meant."""
    server: str | None = None
    """Its name, followed by ``@`` and a version unless that is the pinned one."""
    source: Source | None = None
    image: str | None = None
    python: str | None = None
    run: RunFolder | None = None
    """A finished load test; the other fields are then unset."""

    @classmethod
    def parse(cls, text: str, variable: str) -> "Side":
        """Return the side that ``A=`` or ``B=`` names; ``UsageError`` if it is unknown."""
        if (folder := run_folder(text)) is not None:
            return cls(text=text, variable=variable, run=_load_test(folder, f"{variable}={text}"))
        if text.startswith((".", "/", "~")) or _is_wheel(_expanded(text)):
            return cls(text=text, variable=variable, source=Source.parse(text, variable))
        name = StackName.parse(text, variable=variable, accepted=ACCEPTED)
        asked = _REQUIREMENT.fullmatch(name.framework)
        framework, _, at = (name.framework if asked is None else asked[1]).partition("@")
        path = at if "/" in at else None
        return cls(
            text=text,
            variable=variable,
            framework=one_of(framework, frameworks(), variable=variable, more=("a folder such as ./mine", "a run")),
            version=None if path else at or None,
            requirement=None if asked is None else _specifier(asked[2], f"{variable}={text}"),
            server=name.server,
            source=None if path is None else Source.parse(path, variable),
            image=name.image,
            python=name.python,
        )

    def needs_docker(self) -> bool:
        """Return whether it names an image."""
        return self.image is not None

    def candidate(self, other: "Side", runtime: Runtime, server: str) -> Candidate:
        """Return the candidate of this side; unset fields default to the other side's, then to the usual ones.

        Missing wheels and locks are created first.
        """
        framework = self._framework(other, runtime)
        chosen = self.server or (other.server if self.source else None) or server
        (stack, *more) = variants.named_stacks(framework.name, chosen, {framework.name: framework})
        if more:
            raise UsageError(f"{self.variable}={self.text} selects {1 + len(more)} stacks. Name one server.")
        return self._candidate(stack, other, runtime)

    def origin(self, candidate: Candidate) -> Origin:
        """Return the record of what this side's candidate was built from."""
        return Origin() if self.source is None else self.source.origin(candidate.stack.framework)

    def _framework(self, other: "Side", runtime: Runtime) -> Framework:
        if self.source is not None and self.source.is_framework_folder:
            return variants.framework_from_folder(self.source.path)
        if self.source is not None:
            framework = frameworks()[self._framework_of(self.source, other)]
            return variants.framework_from_wheel(framework, self._wheel(self.source, other, runtime))
        framework = frameworks()[self.framework or ""]
        if self.requirement is not None:
            return variants.framework_within(framework, self.requirement)
        return framework if self.version is None else variants.framework_at_version(framework, self.version)

    def _framework_of(self, source: Source, other: "Side") -> str:
        """Return the framework whose package a source holds: the one named, the other side's, or the only one."""
        project = source.package
        fitting = [name for name, known in frameworks().items() if known.package and project in {None, known.package}]
        for name in (self.framework, other.framework):
            if name in fitting:
                return name
        if len(fitting) == 1:
            return fitting[0]
        package = project or "a project without a name"
        which = (
            f"the package of {', '.join(fitting)}: name one, as in {fitting[0]}@./CHECKOUT"
            if fitting
            else (f"which is not a framework here: must be a folder like those under frameworks/, or {NAME_SYNTAX}")
        )
        raise UsageError(f"{source.named} holds {package}, {which}.")

    def _wheel(self, source: Source, other: "Side", runtime: Runtime) -> Path:
        """Return the wheel to install; a checkout is built for the Python, or in the image, that it will run on."""
        python, image = self._python(other), self._image(other)
        in_image = runtime is not Runtime.PROCESS
        if source.path.suffix == WHEEL:
            usual = DEFAULT_PYTHON if in_image else OWN_PYTHON
            reason = why_unfit(source.path, python or usual, musl=in_image and image.name == "alpine")
            if reason is not None:
                raise UsageError(f"{source.named}: {reason}. Build it for that, or name another Python or image.")
            return source.path
        if in_image:
            return wheel_in_image(source.path, image, python or DEFAULT_PYTHON)
        return wheel_of(source.path, None if python is None else find_interpreter(python))

    def _candidate(self, stack: Stack, other: "Side", runtime: Runtime) -> Candidate:
        python = self._python(other)
        if runtime is Runtime.PROCESS:
            return process_candidate(stack, python, label=self.text)
        return Candidate(stack=stack, image=self._image(other), python=python or DEFAULT_PYTHON, label=self.text)

    def _python(self, other: "Side") -> str | None:
        return self.python or (other.python if self.source else None)

    def _image(self, other: "Side") -> Image:
        return images()[self.image or other.image or DEFAULT_IMAGE]


def both_candidates(a: Side, b: Side, runtime: Runtime, server: str) -> tuple[Candidate, Candidate]:
    """Return the two candidates of a comparison, under different names."""
    first, second = a.candidate(b, runtime, server), b.candidate(a, runtime, server)
    return first, second if second.name != first.name else replace(second, label=f"{second.name}#2")


def _load_test(folder: RunFolder, named: str) -> RunFolder:
    run = folder.run()
    if type(run) is not LoadRun:
        kind = run.__struct_config__.tag
        raise UsageError(f"{named} was written by make {kind}: must be a finished load test or a stack.")
    if (reason := why_unfinished(folder)) is not None:
        raise UsageError(f"{named} is not a finished load test: {reason}")
    return folder


def _specifier(text: str, named: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise UsageError(f"invalid {named}: must be a requirement such as 'falcon==4.1' or 'falcon>=4,<5'.") from error


def _expanded(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 -- leaves an unknown user as it is


def _split(text: str) -> tuple[Path, str]:
    """Return the folder and the git reference in ``FOLDER@REFERENCE``, both of which may hold an ``@`` themselves."""
    parts = text.split("@")
    pairs = [(_expanded("@".join(parts[:count])), "@".join(parts[count:])) for count in range(1, len(parts))]
    return next((pair for pair in pairs if _is_folder(pair[0])), pairs[0])


def _is_wheel(path: Path) -> bool:
    return path.suffix == WHEEL and os.path.isfile(path)  # noqa: PTH113 -- false for impossible names too


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 -- false for impossible names too


def _folder(path: Path, named: str) -> Path:
    if not _is_folder(path):
        raise UsageError(f"{named} does not exist: must be {ACCEPTED}.")
    return path.resolve()


def _built(path: Path, named: str) -> Path:
    """Return a folder; ``UsageError`` if there is none, or if nothing says how to build it."""
    folder = _folder(path, named)
    if not any((folder / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise UsageError(f"{named} holds neither pyproject.toml nor setup.py: must be {ACCEPTED}.")
    return folder
