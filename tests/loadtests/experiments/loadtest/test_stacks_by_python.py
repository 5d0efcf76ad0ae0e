"""Where a stack runs on several Pythons, tables show its rate on each over that on the usual one."""

import io
from collections.abc import Mapping

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.catalog.stacks import StackName
from common.records.run import LoadRun
from common.records.window import Load, Window
from loadtests.experiments.loadtest.experiment import LoadTest
from loadtests.experiments.loadtest.stacks_by_python import (
    ByPython,
    answer,
    by_python,
    notes,
    sentence,
    spreads,
    without_ratio,
)
from tests.support.records import cell, compare_run, load, run, warmup, window

G = "+gunicorn-gthread@slim"
RATES = {
    f"falcon{G}": 10_000, f"falcon{G}-py3.11": 9_000, f"falcon{G}-py3.15+jit": 8_000, f"falcon{G}-pypy3.11": 20_000,
    f"django{G}": 4_000, f"django{G}-py3.11": 4_400, f"django{G}-py3.15+jit": 2_960, f"django{G}-pypy3.11": 6_000,
    f"raw_wsgi{G}": 12_000, f"raw_wsgi{G}-pypy3.11": 60_000, f"flask{G}": 5_000,
}  # fmt: skip
PATCHES = {"3.13": "3.13.2", "3.11": "3.11.9", "3.15+jit": "3.15.0+jit", "pypy3.11": "pypy3.11.17"}


def _run(names: Mapping[str, int] = RATES, **changes: object) -> LoadRun:
    cells = []
    for text in names:
        name = StackName.parse(text, variable="A")
        asked = name.python or "3.13"
        cells.append(
            cell(
                text,
                framework=name.framework,
                server=name.server,
                image=name.image,
                python=PATCHES[asked],
                python_asked=asked,
                image_bytes=180_000_000 if "pypy" in text else 120_000_000,
                version=None if text.startswith("raw_") else "1",
            )
        )
    return run(cells, **changes)


def _found(rates: Mapping[str, int] = RATES, *, wrong: str = "", **changes: object) -> ByPython | None:
    made = _run(rates, **changes)
    return by_python(made, LoadTest(made).summarise(_windows(rates, wrong)))


def _windows(rates: Mapping[str, int] = RATES, wrong: str = "") -> list[Window]:
    return [
        window(name, number, _load(name, 2 * rate + number, wrong=name == wrong))
        for number in range(1, 6)
        for name, rate in rates.items()
    ]


def _load(name: str, requests: int, *, wrong: bool) -> Load:
    took = warmup(20.0 if "pypy" in name else 0.3)
    return load(requests, failures={"wrong body": 9} if wrong else {}, warmup=took)


def _texts(found: ByPython | None) -> dict[str, list[str]]:
    assert found is not None
    return {row.name: [on.text for on in row.others] for row in found.rows}


def test_each_stack_has_its_ratio_to_the_usual_python_cpython_first() -> None:
    found = _found()
    assert found is not None
    assert (found.usual, found.others) == ("3.13", ["3.11", "3.15+jit", "pypy3.11"])
    assert _texts(found) == {
        "raw_wsgi+gunicorn-gthread": ["-", "-", "5.00"],
        "falcon+gunicorn-gthread": ["0.90", "0.80", "2.00"],
        "flask+gunicorn-gthread": ["-", "-", "n/a"],
        "django+gunicorn-gthread": ["1.10", "0.74", "1.50"],
    }


def test_a_ratio_has_its_interval_and_what_has_none_has_the_reason() -> None:
    missing = {f"flask{G}-py3.15+jit": "no image of 3.15", f"raw_wsgi{G}-py3.12": "no image of 3.12"}
    found = _found(unavailable=missing)
    assert found is not None
    about = {(row.name, python): on.about for row in found.rows
             for python, on in zip(found.others, row.others, strict=True)}  # fmt: skip
    falcon, flask = "falcon+gunicorn-gthread", "flask+gunicorn-gthread"
    assert about[falcon, "pypy3.11"].startswith("95 % interval 1.978 to 2.022")
    assert "different; 20,00" in about[falcon, "pypy3.11"]
    assert "MarkupSafe" in about[flask, "pypy3.11"], "what its folder says of PyPy"
    assert about[flask, "3.15+jit"] == "no image of 3.15"
    assert about[flask, "3.11"] == f"flask{G}-py3.11 was not measured"
    assert found.others == ["3.11", "3.12", "3.15+jit", "pypy3.11"], "a Python on which nothing runs has a column"


def test_a_rate_in_doubt_is_in_brackets_and_not_counted() -> None:
    found = _found(wrong=f"django{G}-pypy3.11")
    assert _texts(found)["django+gunicorn-gthread"] == ["1.10", "0.74", "(1.50)"]
    assert found is not None
    assert {spread.python: list(spread.ratios) for spread in spreads(found)}["pypy3.11"] == ["falcon+gunicorn-gthread"]


def test_stacks_without_a_valid_ratio_are_named_together_by_python_and_reason() -> None:
    missing = {f"{name}{G}-py3.12": "no image of 3.12" for name in ("falcon", "django", "raw_wsgi", "flask")}
    found = _found(wrong=f"django{G}-pypy3.11", unavailable=missing)
    assert found is not None
    said = list(without_ratio(found))
    names = "raw_wsgi+gunicorn-gthread, falcon+gunicorn-gthread, flask+gunicorn-gthread, django+gunicorn-gthread"
    assert f"no ratio on 3.12: {names}: no image of 3.12." in said
    assert any(line.startswith("no ratio on pypy3.11: django+gunicorn-gthread: 6,00") for line in said), "in doubt"


def test_a_ratio_that_is_in_doubt_on_the_usual_python_has_that_reason() -> None:
    found = _found(wrong=f"django{G}")
    assert found is not None
    (said,) = (
        line for line in without_ratio(found) if line.startswith("no ratio on 3.11: django+gunicorn-gthread: 4,4")
    )
    assert "req/s per vCPU; in doubt on the usual Python: wrong-answers: " in said


def test_the_sentence_has_the_median_and_both_ends_over_frameworks_the_best_python_first() -> None:
    found = _found()
    assert found is not None
    falcon, django = "falcon+gunicorn-gthread", "django+gunicorn-gthread"
    assert sentence(found) == (
        "Requests per vCPU over those on Python 3.13, median over frameworks: "
        f"1.75 on pypy3.11 (2 stacks, 1.50 {django} to 2.00 {falcon}); 1.00 on 3.11 (2 stacks, 0.90 {falcon} to "
        f"1.10 {django}); 0.77 on 3.15+jit (2 stacks, 0.74 {django} to 0.80 {falcon})."
    )


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (("falcon", "django"), "pypy3.11 carries 1.75 times as many requests per vCPU as 3.13, 1.50 times as many"),
        (("falcon", "django", "flask", "bottle"), None),
        (("falcon",), "pypy3.11 carries 2.00 times"),
    ],
)  # fmt: skip
def test_the_answer_is_the_python_that_carries_most_of_those_on_which_most_frameworks_run(
    only: tuple[str, ...], expected: str | None
) -> None:
    rates = {name: rate for name, rate in (RATES | {f"bottle{G}": 7_000}).items() if name.startswith(only)}
    found = _found(rates)
    assert found is not None
    said = answer(found)
    assert said is None if expected is None else (said or "").startswith(expected)


def test_the_usual_python_is_the_answer_if_all_others_carry_less() -> None:
    found = _found({name: rate for name, rate in RATES.items() if "pypy" not in name and "3.11" not in name})
    assert found is not None
    assert answer(found) == "3.13 carries the most requests per vCPU of the Pythons on which most frameworks run."


def test_without_the_usual_python_ratios_are_to_the_first() -> None:
    found = _found({name: rate for name, rate in RATES.items() if "-py" in name})
    assert found is not None
    assert (found.usual, found.others) == ("3.11", ["3.15+jit", "pypy3.11"])


@pytest.mark.parametrize("names", [[f"falcon{G}", f"django{G}-py3.11"], [f"falcon{G}", f"django{G}"]])
def test_stacks_on_one_python_each_are_no_table(names: list[str]) -> None:
    assert _found({name: RATES[name] for name in names}) is None


def test_one_valid_ratio_is_named_alone_and_none_at_all_are_no_sentence() -> None:
    rates = {name: RATES[name] for name in (f"falcon{G}", f"falcon{G}-pypy3.11")}
    found = _found(rates)
    assert found is not None
    assert (sentence(found) or "").endswith("2.00 on pypy3.11 (falcon+gunicorn-gthread).")
    doubtful = _found(rates, wrong=f"falcon{G}")
    assert doubtful is not None
    assert sentence(doubtful) is None
    assert len(list(notes(doubtful))) == 2


def test_a_load_test_ends_in_both_tables_and_a_comparison_in_neither() -> None:
    made = _run()
    test = LoadTest(made)
    summary = test.summarise(_windows())
    _, by_stack, by_version = test.tables(summary)
    console = Console(file=io.StringIO(), width=160)
    console.print(by_stack)
    console.print(by_version)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "by Python: the rate over that on 3.13" in printed
    assert "Pythons against 3.13" in printed
    (pypy,) = (line.split() for line in printed.splitlines() if line.strip().startswith("pypy3.11"))
    assert (pypy[0], *pypy[-3:]) == ("pypy3.11", "1.50", "20.0", "200,000"), "how large, and how long until it was warm"
    assert any("1.75 on pypy3.11" in note for note in test.notes(summary))
    two = replace(made, cells=made.cells[:2])
    assert len(list(LoadTest(two).tables(LoadTest(two).summarise(_windows())))) == 3
    pair = compare_run(two.cells)
    compared = LoadTest(pair)
    assert len(list(compared.tables(compared.summarise(_windows())))) == 1
