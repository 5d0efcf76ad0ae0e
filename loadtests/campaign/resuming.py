"""``RESUME=``, by which a measuring command completes an interrupted run instead of starting one."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import wraps
from typing import Any, ParamSpec

from common.aws.settings import FargateSettings
from common.cli.parameters import changed_of, refuse_given
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.parameters import GuestParameters, RunParameters
from loadtests.campaign.resume import resume

P = ParamSpec("P")


def resumable(command: Callable[P, None]) -> Callable[P, None]:
    """Have a command, whose ``run`` is ``RunParameters``, complete the run that ``RESUME=`` names, if it is given."""

    @wraps(command)
    def start_or_complete(*args: P.args, **kwargs: P.kwargs) -> None:
        call = inspect.signature(command).bind(*args, **kwargs)
        call.apply_defaults()
        run: RunParameters = call.arguments["run"]
        if run.resume is None:
            command(*args, **kwargs)
        else:
            _complete(command, call.arguments)

    return start_or_complete


def _complete(command: Callable[..., None], given: Mapping[str, Any]) -> None:
    """Resume the run that ``RESUME=`` names; errors as ``resume``.

    ``given`` holds the command's arguments by name. Raise ``UsageError`` if any parameter was given but those of
    Fargate, consent to a server elsewhere and the file of requests, since a resumed run keeps its own.
    """
    fargate: FargateSettings | None = given.get("fargate")
    guest: GuestParameters | None = given.get("guest")
    allowed = {"resume", "format"} | (set() if fargate is None else {field.name for field in fields(fargate)})
    allowed |= set() if guest is None else {"foreign_url", "paths"}
    refuse_given(changed_of(command, given) - allowed, "RESUME= completes a run with its own parameters.")
    run: RunParameters = given["run"]
    assert run.resume is not None
    name = command.__name__.rstrip("_").replace("_", "-")
    resume(run.resume, name, experiment_of, run.terminal(), fargate=fargate, guest=guest or GuestParameters())
