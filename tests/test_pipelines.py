"""The action, its example workflows and the GitLab component hold what they promise, executed from their own files."""

import json
import os
import re
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from common.project import ROOT
from tests.conftest import absent
from tests.support.pipelines import PYTHON, changed_app, parsed, run_action, run_script, run_step
from tests.support.repositories import Repository

ACTION, TEMPLATE = ROOT / "action.yml", ROOT / "templates" / "compare.yml"
MEASURE, COMMENT = (ROOT / "docs" / "ci" / name for name in ("measure.yml", "comment.yml"))
OUTPUTS = {"verdict", "ratio", "low", "high", "json", "page", "folder"}
HOSTILE = (
    "./a'b\"c`touch {0}`$(touch {0}); touch {0} #\nverdict=faster\n::set-output name=verdict::faster\n${{{{ 1 }}}}"
)
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
PROJECT = "OWNER/api-framework-benchmark@COMMIT"
"""What stands for this project in the examples."""


def _steps(file: Path) -> list[dict[str, Any]]:
    document = parsed(file)
    if "runs" in document:
        return list(document["runs"]["steps"])
    return [step for job in document["jobs"].values() for step in job["steps"]]


def _component() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs of the GitLab component, and its job."""
    head, body = yaml.safe_load_all(TEMPLATE.read_text())
    return head["spec"]["inputs"], body["compare-performance"]


@pytest.mark.parametrize(
    ("schema", "file"),
    [("github-actions", ACTION), ("github-workflows", MEASURE), ("github-workflows", COMMENT), ("gitlab-ci", TEMPLATE)],
)
def test_files_fit_the_schemas_of_their_services(schema: str, file: Path, tmp_path: Path) -> None:
    """The header of a component is a document of its own, with keys of the same schema."""
    whole = tmp_path / "whole.yml"
    documents = yaml.safe_load_all(file.read_text().replace("\non:", '\n"on":'))
    whole.write_text(yaml.safe_dump({key: value for document in documents for key, value in document.items()}))
    _check("check-jsonschema", f"--builtin-schema=vendor.{schema}", str(whole))


def test_nothing_is_known_to_be_insecure_in_the_action_and_the_workflows(tmp_path: Path) -> None:
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    for file in (MEASURE, COMMENT):
        (workflows / file.name).write_text(file.read_text().replace("@COMMIT", f"@{'0' * 40}"))
    shutil.copy(ACTION, tmp_path)
    _check("zizmor", "--offline", "--no-progress", str(tmp_path))


def _check(program: str, *options: str) -> None:
    line = [str(Path(PYTHON).with_name(program)), *options]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", [ACTION, MEASURE, COMMENT])
def test_no_expression_is_part_of_a_script(file: Path) -> None:
    """A value that is put into a script before a shell reads it would be run."""
    assert [step["run"] for step in _steps(file) if "${{" in step.get("run", "")] == []


def test_no_input_of_the_component_is_part_of_its_script() -> None:
    inputs, job = _component()
    assert "$[[" not in str(job["script"])
    given = [variable for variable in job["variables"].values() if "$[[" in str(variable)]
    assert len(given) == len(inputs.keys() - {"stage", "image"})
    assert all(variable["expand"] is False for variable in given)


@pytest.mark.parametrize("file", [ACTION, MEASURE])
def test_actions_are_pinned_by_their_full_hash(file: Path) -> None:
    used = [step["uses"] for step in _steps(file) if "uses" in step]
    assert used
    assert [action for action in used if action != PROJECT and PINNED.fullmatch(action) is None] == []


def test_the_measuring_workflow_can_only_read() -> None:
    measure = parsed(MEASURE)
    assert measure[True] == "pull_request"
    assert measure["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in measure["jobs"].values())
    checkouts = [step for step in _steps(MEASURE) if "actions/checkout" in step.get("uses", "")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False]
    assert "secrets." not in MEASURE.read_text()


def test_the_commenting_workflow_may_write_a_comment_and_uses_no_action_that_unpacks_or_checks_out() -> None:
    comment = parsed(COMMENT)
    assert list(comment[True]) == ["workflow_run"]
    assert comment[True]["workflow_run"]["workflows"] == [parsed(MEASURE)["name"]]
    assert comment["permissions"] == {}
    (job,) = comment["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert [step for step in job["steps"] if "uses" in step] == []


def test_the_example_gives_the_action_inputs_that_it_has_and_uploads_what_it_puts_out() -> None:
    action = parsed(ACTION)
    (step,) = (step for step in _steps(MEASURE) if step.get("uses") == PROJECT)
    assert step["with"].keys() <= action["inputs"].keys()
    (upload,) = (step for step in _steps(MEASURE) if "upload-artifact" in step.get("uses", ""))
    assert upload["with"]["path"] == "${{ steps.compare.outputs.folder }}"
    assert action["outputs"].keys() == OUTPUTS


def test_every_input_reaches_the_comparison() -> None:
    read = set(re.findall(r"inputs\.([\w-]+)", str(_steps(ACTION)[-1]["env"])))
    assert read == set(parsed(ACTION)["inputs"])


def test_no_variable_of_a_step_chooses_base_images() -> None:
    """A build reads ``BASE`` from the environment."""
    assert [step["name"] for step in _steps(ACTION) if "BASE" in step.get("env", {})] == []
    assert "BASE" not in _component()[1]["variables"]


@pytest.mark.parametrize("python", [PYTHON, HOSTILE])
def test_inputs_with_quotes_substitutions_and_newlines_do_nothing(python: str, tmp_path: Path) -> None:
    """The tool refuses them, which is not the same as being slower, and nothing that they hold is run or put out."""
    planted = tmp_path / "planted"
    inputs = dict.fromkeys(parsed(ACTION)["inputs"], HOSTILE.format(planted)) | {"python": python.format(planted)}
    ended = run_action(ACTION, inputs, tmp_path, tmp_path / "temp")
    assert ended.status == 2, ended.log
    assert not planted.exists()
    assert ended.outputs.get("verdict", "broken") == "broken"
    assert ended.outputs.keys() <= OUTPUTS | {"digest"}
    assert ended.summary.startswith("### broken\n")
    assert not re.search(r"^::", ended.log, re.MULTILINE)


def test_the_summary_says_why_nothing_was_compared(tmp_path: Path) -> None:
    ended = run_action(ACTION, {"base": "./gone", "python": PYTHON}, tmp_path, tmp_path / "temp")
    assert (ended.status, ended.outputs["verdict"]) == (2, "broken"), ended.log
    assert ended.summary.startswith("### broken\n\n--a=./gone does not exist: must be ")
    (said,) = json.loads(Path(ended.outputs["json"]).read_text())["sentences"]
    assert said.startswith("--a=./gone does not exist: must be ")


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.long
@pytest.mark.parametrize(("burn_s", "verdict", "status"), [(500e-6, "slower", 1), (0.0, "not-slower", 0)])
def test_a_planted_slowdown_fails_the_step_and_an_equal_change_does_not(
    tmp_path: Path, burn_s: float, verdict: str, status: int
) -> None:
    repository = changed_app(tmp_path / "repository", burn_s=burn_s)
    inputs = {"base": "./app@HEAD^1", "head": "./app", "python": PYTHON, "budget": "2m", "fail-if-slower": "25%"}
    ended = run_action(ACTION, inputs, repository.folder, tmp_path / "temp")
    assert (ended.status, ended.outputs["verdict"]) == (status, verdict), ended.log
    low, ratio, high = (float(ended.outputs[name]) for name in ("low", "ratio", "high"))
    assert low < ratio < high
    assert (high < 0.75) is (verdict == "slower")
    assert json.loads(Path(ended.outputs["json"]).read_text())["verdict"] == verdict
    assert "<!doctype html>" in Path(ended.outputs["page"]).read_text()
    assert ended.summary.startswith(f"### {verdict}\n\n./app is ")
    assert "| ---: |" in ended.summary
    assert "L: the limit, 25.0% slower" in ended.summary
    assert len(ended.summary.encode()) < 2**20


FAKE = """\
#!/bin/bash
case $1 in
  compare) printf '%s\\n' "$@" >asked; echo compares ;;
  outcome) mkdir outcome; echo verdict=slower | tee outcome/outcome.env >outcome/outcome.txt; exit 1 ;;
esac
"""


def test_the_component_compares_with_where_the_branch_left_its_target_and_ends_with_the_status(tmp_path: Path) -> None:
    repository = changed_app(tmp_path / "repository", burn_s=0)
    fake = _program(tmp_path / "venv" / "bin" / "api-benchmark", FAKE)
    status, said = _run_component(repository, tmp_path, fake.parent.parent, folder="./app", framework="mine")
    assert (status, said) == (1, "compares\nverdict=slower\n")
    assert (repository.folder / "asked").read_text().splitlines() == [
        "compare",
        f"--a=mine@./app@{repository.git('rev-parse', 'main')}",
        "--b=mine@./app",
        "--scenario=hello",
        "--budget=4m",
        "--margin=5%",
        "--fail-if-slower=3%",
        "--out=.api-benchmark/run",
    ]


@pytest.mark.parametrize("sound", [("source", "version"), ("source",), ()])
def test_inputs_of_the_component_do_nothing_but_be_refused(sound: Sequence[str], tmp_path: Path) -> None:
    """A bad address of this project, or a bad version of it, ends the job before anything else is read."""
    planted = tmp_path / "planted"
    inputs = dict.fromkeys(_component()[0].keys() - {*sound}, HOSTILE.format(planted))
    repository = changed_app(tmp_path / "repository", burn_s=0)
    status, said = _run_component(repository, tmp_path, ROOT / ".venv", **inputs)
    assert status == 2, said
    assert not planted.exists()


def _program(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def _run_component(repository: Repository, place: Path, venv: Path, **inputs: str) -> tuple[int, str]:
    """Run the job of the component in a repository, with an environment that exists instead of a new one."""
    declared, job = _component()
    tool = Repository.create(place / "tool")
    own = {"source": str(tool.folder), "version": tool.commit("All", {"Makefile": ""})}
    given = {name: about.get("default", "") for name, about in declared.items()} | own | inputs
    variables = {
        name: re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda found: given[found[1]], variable["value"])
        for name, variable in job["variables"].items()
        if isinstance(variable, dict)
    }
    make = _program(place / "programs" / "make", f'#!/bin/bash\nln -s {venv} "$2/.venv"\n')
    more = {
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": repository.git("rev-parse", "main"),
        "PATH": f"{make.parent}:{os.environ['PATH']}",
    }
    (script,) = job["script"]
    return run_script(script, repository.folder, variables | more)


PULLS = [
    {"number": 7, "head": {"sha": "b" * 40}},
    {"number": 8, "head": {"sha": "c" * 40}},
]
GH = """\
#!/bin/bash
echo "$@" >>{folder}/calls
case "$*" in
  *PATCH*|*POST*) cp comment.md {folder}/sent ;;
  */pulls*) jq -r "${{@: -1}}" {folder}/pulls.json ;;
  */runs/5/artifacts*) jq -r "${{@: -1}}" {folder}/artifacts.json ;;
  */artifacts/22/zip) cat {folder}/artifact.zip ;;
  */comments*) jq -r "${{@: -1}}" {folder}/comments.json ;;
esac
"""


@pytest.fixture
def gh(tmp_path: Path) -> Path:
    """A folder with a ``gh`` that serves what is in it, and writes down what it is asked for."""
    if shutil.which("jq") is None:
        absent("jq is not installed")
    folder = tmp_path / "gh"
    _program(folder / "gh", GH.format(folder=folder))
    _serve(folder, pulls=PULLS, comments=[], artifacts={"artifacts": [{"id": 21}, {"id": 22}]})
    return folder


def _serve(folder: Path, **values: object) -> None:
    for name, value in values.items():
        (folder / f"{name}.json").write_text(json.dumps(value))


def _comment(gh: Path, text: str | zipfile.ZipInfo, commit: str = "b" * 40) -> str:
    """Run the commenting step on an artifact; return what it asked for."""
    workspace = gh.parent / "workspace"
    workspace.mkdir(exist_ok=True)
    with zipfile.ZipFile(gh / "artifact.zip", "w") as artifact:
        if isinstance(text, zipfile.ZipInfo):
            artifact.writestr(text, "/proc/self/environ")
        else:
            artifact.writestr("outcome.txt", text)
    event = "github.event.workflow_run"
    values: Mapping[str, str] = {
        "github.token": "secret-token",
        "github.repository": "o/r",
        f"{event}.id": "5",
        f"{event}.head_repository.owner.login": "someone",
        f"{event}.head_branch": "a b&state=closed",
        f"{event}.head_sha": commit,
        f"{event}.html_url": "https://example.org/run",
    }
    status, said = run_step(_steps(COMMENT)[-1], values, workspace, {"PATH": f"{gh}:{os.environ['PATH']}"})
    assert status == 0, said
    return (gh / "calls").read_text()


def test_a_comment_is_made_once_and_then_changed(gh: Path) -> None:
    assert "--method POST repos/o/r/issues/7/comments" in _comment(gh, "slower: by 5 % (\N{PLUS-MINUS SIGN} 1 %)\n")
    sent = (gh / "sent").read_text()
    assert sent.startswith("<!-- api-framework-benchmark -->\n```text\nslower: by 5 % (\N{PLUS-MINUS SIGN} 1 %)\n")
    assert sent.endswith("\n```\n[The run](https://example.org/run)\n")
    others = [
        {"id": 1, "user": {"login": "someone"}, "body": sent},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "another workflow's\n" + sent},
        {"id": 3, "user": {"login": "github-actions[bot]"}, "body": sent},
    ]
    _serve(gh, comments=others)
    assert "--method PATCH repos/o/r/issues/comments/3" in _comment(gh, "not-slower\n")


@pytest.mark.parametrize(
    "text",
    [
        "```\n@everyone ![x](http://x) <img src=x>\N{RIGHT-TO-LEFT OVERRIDE}\x1b[2J\0" + "x" * 100_000,
        "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 100_000,
    ],
)
def test_a_comment_is_plain_text_of_limited_length_whatever_the_artifact_holds(gh: Path, text: str) -> None:
    _comment(gh, text)
    sent = (gh / "sent").read_text()
    assert sent.count("```") == 2
    assert all(letter == "\n" or letter.isprintable() for letter in sent)
    assert len(sent.encode()) < 64_000


def test_a_link_in_the_artifact_is_not_followed(gh: Path) -> None:
    """The file that it leads to may hold the token."""
    link = zipfile.ZipInfo("outcome.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    _comment(gh, link)
    assert "secret-token" not in (gh / "sent").read_text()


def test_no_comment_is_made_where_no_open_pull_request_is_at_the_measured_commit(gh: Path) -> None:
    asked = _comment(gh, "slower\n", commit="d" * 40)
    assert "POST" not in asked
    assert "PATCH" not in asked


def test_no_comment_is_made_where_nothing_was_measured(gh: Path) -> None:
    _serve(gh, artifacts={"artifacts": []})
    assert "POST" not in _comment(gh, "slower\n")
