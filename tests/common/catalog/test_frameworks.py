"""Tests of the registry of frameworks, and of the rules that every folder under ``frameworks/`` follows."""

import ast
import sys
from pathlib import Path

import pytest

from common import contract
from common.catalog.frameworks import FRAMEWORKS, App, Deviation, Framework, Interface, frameworks, locked_version
from common.catalog.servers import SERVERS
from common.errors import UsageError

GOOD = """
[project]
name = "stack-toy"
dependencies = ["toy>=1"]
[tool.stack]
title = "Toy"
interface = "wsgi"
distribution = "toy"
"""
REAL = frameworks()
SERVING = {name: framework for name, framework in REAL.items() if framework.has(App.SERVICE)}
MORE = [(framework, app) for framework in REAL.values() for app in App if app is not App.APP and framework.has(app)]
"""Every app but the usual ones, with its framework."""
MORE_IDS = [f"{framework.name}-{app}" for framework, app in MORE]
DISTRIBUTIONS = {"ninja": "django-ninja", "psycopg_pool": "psycopg-pool", "rest_framework": "djangorestframework"}
"""The distributions whose modules have other names."""


def write(root: Path, text: str, name: str = "toy") -> Path:
    """Make a framework's folder under ``root`` with ``text`` as its pyproject.toml."""
    folder = root / "frameworks" / name
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_valid_folder_is_read_completely(tmp_path: Path) -> None:
    unavailable = '[tool.stack.unavailable]\nalpine = "has no wheel"\n'
    deviations = '[[tool.stack.deviations]]\ntests = ["test_x[1]"]\nreason = "answers 500"\n'
    project = GOOD.replace("[project]", '[project]\nrequires-python = ">=3.12"')
    folder = write(tmp_path, f'{project}default = true\npure_python = ["base"]\n{unavailable}{deviations}')
    assert Framework.load(folder) == Framework(
        name="toy",
        title="Toy",
        folder=folder,
        interface=Interface.WSGI,
        target="app:app",
        distribution="toy",
        dependencies=("toy>=1",),
        requires_python=">=3.12",
        command="",
        default=True,
        unavailable={"alpine": "has no wheel"},
        deviations=(Deviation(tests=("test_x[1]",), reason="answers 500"),),
        pure_python=("base",),
    )


def test_deviation_holds_on_the_servers_that_it_names_or_on_all(tmp_path: Path) -> None:
    declared = (
        '[[tool.stack.deviations]]\ntests = ["test_x"]\nreason = "its router"\n'
        '[[tool.stack.deviations]]\ntests = ["test_y", "test_z"]\nreason = "its body"\nservers = ["waitress"]\n'
    )
    toy = Framework.load(write(tmp_path, f"{GOOD}{declared}"))
    assert toy.deviations_on("gunicorn-sync") == {"test_x": "its router"}
    assert toy.deviations_on("waitress") == {"test_x": "its router", "test_y": "its body", "test_z": "its body"}


def test_deviations_name_servers_that_exist() -> None:
    named = {server for known in REAL.values() for deviation in known.deviations for server in deviation.servers}
    assert named <= set(SERVERS)


def test_frameworks_are_the_folders_that_contain_a_pyproject(tmp_path: Path) -> None:
    for name in ("zebra", "ant"):
        write(tmp_path, GOOD, name)
    (tmp_path / "frameworks" / "__pycache__").mkdir()
    assert list(frameworks(tmp_path / "frameworks")) == ["ant", "zebra"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[project]", "[project", "pyproject.toml: Expected"),
        ("[project]", "[projects]", "missing required field `project`"),
        ("[tool.stack]", "[tool.stick]", "missing required field `stack` - at `$.tool`"),
        ('title = "Toy"', "", "missing required field `title` - at `$.tool.stack`"),
        ('title = "Toy"', "title = 3", "Expected `str`, got `int` - at `$.tool.stack.title`"),
        ('interface = "wsgi"', "", "missing required field `interface` - at `$.tool.stack`"),
        ('"wsgi"', '"cgi"', "Invalid enum value 'cgi' - at `$.tool.stack.interface`"),
        ('"wsgi"', '"native"', "command is required with interface = 'native'"),
        ('"wsgi"', '"wsgi"\ncommand = "python app.py"', "command is required with interface = 'native'"),
        ('"toy>=1"', '"toy>>1"', "invalid toy>>1: must be a requirement such as 'falcon>=4.4' - at `$.project`"),
        ('"toy>=1"', "7", "Expected `str`, got `int` - at `$.project.dependencies[0]`"),
        ('["toy>=1"]', '"toy>=1"', "Expected `array`, got `str` - at `$.project.dependencies`"),
        ('"wsgi"', '"wsgi"\nunavailable = "alpine"', "Expected `object`, got `str` - at `$.tool.stack.unavailable`"),
        (
            "[project]",
            '[project]\nrequires-python = "new"',
            "Invalid specifier: 'new'",
        ),
        (
            "[project]",
            '[project]\nrequires-python = "<4"',
            "invalid requires-python <4: must name the oldest",
        ),
        ('"wsgi"', '"wsgi"\ndeviations = ["x"]', "Expected `object`, got `str` - at `$.tool.stack.deviations[0]`"),
        (
            '"wsgi"',
            '"wsgi"\ndeviations = [{reason = "x"}]',
            "missing required field `tests` - at `$.tool.stack.deviations[0]`",
        ),
        ('"wsgi"', '"wsgi"\ndefault = "yes"', "Expected `bool`, got `str` - at `$.tool.stack.default`"),
        ('"wsgi"', '"wsgi"\ndefualt = true', "unknown field `defualt` - at `$.tool.stack`"),
        ('"wsgi"', '"wsgi"\npure-python = []', "unknown field `pure-python` - at `$.tool.stack`"),
        ('"wsgi"', '"wsgi"\npure_python = [1]', "Expected `str`, got `int` - at `$.tool.stack.pure_python[0]`"),
        (
            '"wsgi"',
            '"wsgi"\nunavailable = {alpien = "x"}',
            "unknown alpien. Did you mean alpine? Accepted: fat, slim, alpine, process,",
        ),
        ('"wsgi"', '"wsgi"\nunavailable = {fat = 1}', "Expected `str`, got `int` - at `$.tool.stack.unavailable[...]`"),
        (
            '"wsgi"',
            '"wsgi"\ndeviations = [{tests = ["x"], reason = "x", servers = ["uwsgy"]}]',
            "unknown uwsgy. Did you mean uwsgi?",
        ),
        (
            '"wsgi"',
            '"wsgi"\ndeviations = [{tests = ["x"], reason = "x", server = ["uwsgi"]}]',
            "unknown field `server` - at `$.tool.stack.deviations[0]`",
        ),
        *(
            (
                '"wsgi"',
                f'"native"\ncommand = "python app.py {field}"',
                f"invalid command python app.py {field}: its fields must be {{host}}, {{port}}",
            )
            for field in ("{prot}", "{}", "{port", "{port.x}", "{port[0]}", "{port:d}")
        ),
        ("[tool.stack]", "[tools]", "missing required field `tool`"),
        (GOOD, "tool = 1", "Expected `object`, got `int` - at `$.tool`"),
    ],
)
def test_invalid_folder_is_named_with_its_field(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    folder = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        Framework.load(folder)
    assert "frameworks/toy/pyproject.toml" in str(caught.value)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, GOOD)
    (folder / "pyproject.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(UsageError, match=r"^frameworks/toy/pyproject\.toml: [^\n]*can't decode byte 0xff"):
        Framework.load(folder)


def test_oldest_python_is_the_lower_bound(tmp_path: Path) -> None:
    bounded = GOOD.replace("[project]", '[project]\nrequires-python = "<3.15,>=3.12"')
    assert Framework.load(write(tmp_path, bounded)).oldest_python == "3.12"
    assert Framework.load(write(tmp_path, GOOD, "other")).oldest_python == "3.11"


def test_version_is_read_from_the_lock_for_any_spelling_of_the_package_name() -> None:
    lock = (
        "flask==3.1.3 \\\n    --hash=sha256:0\nflask-restful==0.3.10 ; python_version < '4' \\\n    --hash=sha256:1\n"
    )
    assert locked_version(lock, "Flask_RESTful") == "0.3.10"
    assert locked_version(lock, "flask") == "3.1.3"
    assert locked_version(lock, "lask") is None


def test_wsgi_and_asgi_have_a_floor_and_every_title_is_unique() -> None:
    assert {"raw_wsgi", "raw_asgi", "flask", "falcon", "falcon_asgi", "aiohttp"} <= set(REAL)
    assert len({framework.title for framework in REAL.values()}) == len(REAL)
    assert {name for name, framework in REAL.items() if framework.distribution is None} == {
        "raw_wsgi",
        "raw_asgi",
        "raw_rsgi",
    }


@pytest.mark.parametrize("framework", REAL.values(), ids=REAL)
def test_project_is_not_named_like_a_package_that_it_locks(framework: Framework) -> None:
    """Otherwise uv would take the folder for the package and lock nothing else."""
    own = f"stack-{framework.name.replace('_', '-')}"
    assert f'name = "{own}"\n' in (framework.folder / "pyproject.toml").read_text()
    assert locked_version(framework.lock.read_text(), own) is None


@pytest.mark.parametrize("framework", REAL.values(), ids=REAL)
def test_every_framework_except_the_floors_has_a_version(framework: Framework) -> None:
    assert (framework.version is None) == (framework.distribution is None)


@pytest.mark.parametrize("framework", REAL.values(), ids=REAL)
def test_folder_contains_what_is_written_and_what_is_generated_and_nothing_else(framework: Framework) -> None:
    names = {file.name for file in framework.folder.iterdir()} - {
        "__pycache__",
        "service.py",
        "extras.py",
    }  # which some have
    specification = {"openapi.yaml"} if framework.name == "connexion" else set()  # Connexion starts from one
    orders = {"orders.py", "orders.lock"} if framework.drivers else set()
    assert names == {"app.py", "pyproject.toml", "requirements.lock", "released.toml"} | specification | orders


@pytest.mark.parametrize("framework", REAL.values(), ids=REAL)
def test_app_has_at_most_40_lines(framework: Framework) -> None:
    assert len((framework.folder / "app.py").read_text().splitlines()) <= 40


@pytest.mark.parametrize(("framework", "app"), MORE, ids=MORE_IDS)
def test_each_other_app_has_at_most_80_lines(framework: Framework, app: App) -> None:
    assert len((framework.folder / app.file).read_text().splitlines()) <= 80


def test_each_app_is_distinguished_from_what_later_ones_add() -> None:
    assert [app.unrelated_files for app in App] == [
        ("service.py", "orders.py", "extras.py", "orders.lock"),
        ("orders.py", "extras.py", "orders.lock"),
        ("extras.py",),
        ("service.py", "orders.py", "orders.lock"),
    ]


@pytest.mark.parametrize("framework", REAL.values(), ids=REAL)
def test_orders_come_with_drivers_and_a_service(framework: Framework) -> None:
    assert framework.has(App.ORDERS) == bool(framework.drivers)
    assert framework.has(App.SERVICE) or not framework.drivers


@pytest.mark.parametrize("app", [App.SERVICE, App.ORDERS])
def test_every_default_framework_has_a_service_and_orders(app: App) -> None:
    assert [framework.name for framework in REAL.values() if framework.default and not framework.has(app)] == []
    assert all(framework.has(app) for framework in (REAL["quart"], REAL["sanic"], REAL["bottle"], REAL["apiflask"]))


@pytest.mark.parametrize(("framework", "app"), MORE, ids=MORE_IDS)
def test_each_other_app_imports_only_its_framework_its_contract_and_what_is_locked(
    framework: Framework, app: App
) -> None:
    tree = ast.parse((framework.folder / app.file).read_text())
    absolute = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    ours = {name for name in absolute | plain if name.startswith("common")}
    others = {name.partition(".")[0] for name in (absolute | plain) - ours} - set(sys.stdlib_module_names)
    assert ours <= ({"common.contract.extras"} if app is App.EXTRAS else {"common.contract.service"})
    lock = framework.orders_lock if app is App.ORDERS else framework.lock
    before = {App.ORDERS: {"service"}, App.EXTRAS: {"app"}}.get(app, set())
    assert [name for name in others - before if not _is_locked(name, lock)] == []


@pytest.mark.parametrize("framework", REAL.values(), ids=REAL)
def test_app_imports_only_its_framework_the_contract_and_the_standard_library(framework: Framework) -> None:
    tree = ast.parse((framework.folder / "app.py").read_text())
    absolute = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    tops = {name.partition(".")[0] for name in absolute | plain - {"common.contract"}}
    own = {name for name in tops if _is_locked(name, framework.lock)}
    assert "common.contract" in absolute | plain
    assert tops - set(sys.stdlib_module_names) - own == {"common"}
    assert {name for name in absolute | plain if name.startswith("common")} == {"common.contract"}


@pytest.mark.parametrize("framework", REAL.values(), ids=REAL)
def test_app_imports_what_the_contract_has(framework: Framework) -> None:
    tree = ast.parse((framework.folder / "app.py").read_text())
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "common.contract"
        for alias in node.names
    }
    assert taken <= set(dir(contract))


def _is_locked(module: str, lock: Path) -> bool:
    return locked_version(lock.read_text(), DISTRIBUTIONS.get(module, module)) is not None


def test_no_framework_folder_is_a_python_package() -> None:
    """A folder with ``__init__.py`` would be imported instead of the framework of the same name."""
    assert not list(FRAMEWORKS.rglob("__init__.py"))
