"""Runs the steps of CI configurations as their services do, from the files themselves."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from common.host.run_lock import VARIABLE
from common.project import ROOT
from tests.support.repositories import Repository

EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")
PYTHON = sys.executable
LIMIT_S = 280
APP = """\
import json
import time

from common.contract import HELLO, parse_delay, sleep_seconds, slept


def app(environ, start_response):
    {burn}
    allowed = [("Content-Type", "application/json")]
    match environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/"):
        case "GET", ["", "hello"]:
            status, response = "200 OK", HELLO
        case "GET", ["", "sleep", delay]:
            try:
                delay_ms = parse_delay(delay)
                time.sleep(sleep_seconds(delay_ms))
                status, response = "200 OK", slept(delay_ms)
            except ValueError as error:
                status, response = "400 Bad Request", {{"error": str(error)}}
        case _, ["", "hello"] | ["", "sleep", _]:
            status, response = "405 Method Not Allowed", {{"error": "only GET is allowed"}}
            allowed.append(("Allow", "GET"))
        case _:
            status, response = "404 Not Found", {{"error": "not found"}}
    body = json.dumps(response).encode()
    start_response(status, [*allowed, ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
"""
PROJECT = """\
[project]
name = "stack-mine"
version = "0"
requires-python = ">=3.11"
dependencies = []

[tool.stack]
title = "Mine"
interface = "wsgi"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What the steps of an action left."""

    status: int
    outputs: dict[str, str]
    summary: str
    log: str


def parsed(file: Path) -> dict[Any, Any]:
    """Return a YAML file; YAML 1.1 takes the key ``on`` for a truth value."""
    document: dict[Any, Any] = yaml.safe_load(file.read_text())
    return document


def run_action(file: Path, inputs: Mapping[str, str], workspace: Path, temp: Path) -> Ended:
    """Run the shell steps of a composite action in a workspace, up to the first that fails."""
    action = parsed(file)
    given = {name: declared.get("default", "") for name, declared in action["inputs"].items()} | dict(inputs)
    values = {"github.action_path": str(ROOT), "steps.cache.outputs.cache-hit": ""}
    values |= {f"inputs.{name}": value for name, value in given.items()}
    temp.mkdir()
    summary, log, status = temp / "summary", "", 0
    outputs = dict[str, str]()
    for number, step in enumerate(action["runs"]["steps"]):
        if "run" not in step or status:
            continue
        written = temp / f"output-{number}"
        written.touch()
        files = {"GITHUB_OUTPUT": str(written), "GITHUB_STEP_SUMMARY": str(summary), "RUNNER_TEMP": str(temp)}
        status, said = run_step(step, values, workspace, files)
        log += said
        for line in written.read_text().splitlines():
            name, _, value = line.partition("=")
            values[f"steps.{step['id']}.outputs.{name}"] = value
            outputs[name] = value
    text = summary.read_text() if summary.exists() else ""
    return Ended(status=status, outputs=outputs, summary=text, log=log)


def run_step(
    step: Mapping[str, Any], values: Mapping[str, str], folder: Path, more: Mapping[str, str]
) -> tuple[int, str]:
    """Run a shell step with its own environment; return its exit status and what it printed."""
    env = {name: _evaluated(text, values) for name, text in step.get("env", {}).items()}
    return run_script(_evaluated(step["run"], values), folder, {**env, **more})


def _evaluated(text: str, values: Mapping[str, str]) -> str:
    return EXPRESSION.sub(lambda found: values[found[1]], text)


def run_script(text: str, folder: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Run a script as GitHub does; return its exit status and what it printed. What takes too long is ended whole."""
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "PATH", VARIABLE) if name in os.environ}
    with subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env={**kept, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as bash:
        try:
            said, _ = bash.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(bash.pid, signal.SIGTERM)
            raise
    return bash.returncode, said


def app_files(*, burn_s: float = 0.0) -> dict[str, str]:
    """Return the files of an app of the user's own, which burns so much CPU time on each request."""
    loop = f"until = time.thread_time() + {burn_s}\n    while time.thread_time() < until:\n        pass"
    return {"app/app.py": APP.format(burn=loop if burn_s else "pass"), "app/pyproject.toml": PROJECT}


def changed_app(folder: Path, *, burn_s: float) -> Repository:
    """Return a repository whose branch ``main`` holds an app, with a merge of a change that burns CPU time checked out.

    So is a pull request's where GitHub runs its workflows.
    """
    made = Repository.create(folder)
    made.commit("Add an app", app_files())
    made.git("switch", "--quiet", "--create", "change")
    made.commit("Change the app", {**app_files(burn_s=burn_s), "app/NOTES": "changed"})
    made.git("switch", "--quiet", "--detach", "main")
    made.git("merge", "--quiet", "--no-ff", "--message=Merge the change", "change")
    return made
