"""The tables of sizes have every figure, and the notes every gap."""

from typing import Any

from common.catalog.sizes import Runtime
from loadtests.experiments.sizes import report
from loadtests.experiments.sizes.records import (
    FootprintCell,
    FootprintRun,
    ImageFootprint,
    ImageVisit,
    LibrariesVisit,
    Weighed,
)
from loadtests.experiments.sizes.report import summarise
from tests.support.footprints import footprint, library
from tests.support.records import NOON, cell, run_head


def _run(*names: str, **changes: Any) -> FootprintRun:  # noqa: ANN401 -- any field
    stacks = [cell(name, image="slim", stand_in_base=True) for name in names]
    fields: dict[str, Any] = {
        "runtime": Runtime.DOCKER,
        "registry": None,
        "zstd_level": 3,
        "cells": [FootprintCell(name=stack.name, stack=stack, weighs=Weighed.IMAGE) for stack in stacks],
        "missing": {},
    }
    return FootprintRun(**run_head() | fields | changes)


def _image(name: str, weighed: ImageFootprint | None, error: str | None = None) -> ImageVisit:
    return ImageVisit(run="run", round=1, position=1, cell=name, started_at=NOON, footprint=weighed, error=error)


def test_tables_have_every_figure() -> None:
    made = _run("a+b@slim", "c+b@slim")
    libraries = LibrariesVisit(run="run", round=1, position=1, cell="a+b", started_at=NOON, libraries=[library()])
    visits: list[LibrariesVisit | ImageVisit] = [
        libraries,
        _image("a+b@slim", footprint(["d1"])),
        _image("c+b@slim", footprint()),
    ]
    summary = summarise(made, visits)
    assert list(report.library_rows(summary)) == [("falcon", "framework, wsgi", "falcon", "4.4", "1,200", "1,200", "1")]
    assert list(report.image_rows(summary)) == [
        ("a+b@slim", "600", "60", "6", "500", "50", "3"),
        ("c+b@slim", "600", "60", "6", "-", "-", "3"),
    ]
    assert ("slim", "libc6 12.8") in list(report.package_rows(made, summary))
    assert ("a+b@slim", "falcon 3.9") in list(report.package_rows(made, summary))
    assert len(list(report.tables(made, summary))) == 3


def test_notes_have_every_gap() -> None:
    made = _run("a+b@slim", "c+b@slim", missing={"d+b@slim": "no wheel", "e+b@slim": "no wheel"})
    visits = [_image("a+b@slim", footprint(["d1"])), _image("c+b@slim", footprint())]
    notes = "\n".join(report.notes(made, summarise(made, visits)))
    assert "the standard library's bytecode is one layer that all images on a base share." in notes
    assert "missing for c+b@slim, since the base" in notes
    assert "missing: d+b@slim, e+b@slim: no wheel" in notes
    assert "stand-in base" in notes
    assert "computed" in notes


def test_an_unmeasured_image_is_missing_with_its_reason() -> None:
    made = _run("a+b@slim")
    summary = summarise(made, [_image("a+b@slim", None, "the registry refused it")])
    assert summary.images == {}
    assert "missing: a+b@slim: the registry refused it" in list(report.notes(made, summary))


def test_without_images_there_is_no_table_of_them() -> None:
    assert list(report.tables(_run(), summarise(_run(), []))) == []
