"""A real browser for tests: Debian's Chromium, without a window and without a profile of its own."""

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from common.project import ROOT

AXE = ROOT / ".cache" / "axe" / "package" / "axe.min.js"
"""Unpacked by ``.ci/run`` from the package index of Node.js."""
JAVASCRIPT = "profile.managed_default_content_settings.javascript"
BLOCKED = 2


@contextmanager
def browser(*, width: int = 1400, scripts: bool = True) -> Iterator[webdriver.Chrome]:
    """Start a browser of a width in pixels; skip the test where there is none."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, path in programs.items() if path is None]:
        pytest.skip(f"{' and '.join(missing)} is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs["chromium"])
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={width},1000",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if not scripts:
        options.add_experimental_option("prefs", {JAVASCRIPT: BLOCKED})
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:  # Chromium leaves some of its files behind
        service = Service(programs["chromedriver"], env=os.environ | {"TMPDIR": folder})
        started = webdriver.Chrome(options=options, service=service)
        try:
            resize(started, width)
            yield started
        finally:
            started.quit()


def resize(driver: webdriver.Chrome, width: int) -> None:
    """Lay pages out as a screen of this width does, also one narrower than a window can be."""
    metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def prefer(driver: webdriver.Chrome, scheme: str) -> None:
    """Have pages shown as those are who prefer ``light`` or ``dark``."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def printed(driver: webdriver.Chrome) -> bytes:
    """Return the page as a PDF."""
    found: dict[str, Any] = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    return base64.b64decode(found["data"])


def complaints(driver: webdriver.Chrome) -> list[str]:
    """Return what the browser logged since it was asked last."""
    return logged(driver, "browser")


def logged(driver: webdriver.Chrome, kind: str) -> list[str]:
    """Return the messages of a log of the browser, each once."""
    entries: list[dict[str, str]] = driver.get_log(kind)  # type: ignore[no-untyped-call]
    return [one["message"] for one in entries]


def visible(driver: webdriver.Chrome, selector: str, *, text: str | None = None) -> list[WebElement]:
    """Return the visible elements; with ``text``, only those that have exactly this text."""
    seen = list[WebElement]()
    for one in driver.find_elements(By.CSS_SELECTOR, selector):
        with suppress(StaleElementReferenceException):  # the page has replaced it since
            if one.is_displayed() and text in {None, one.text}:
                seen.append(one)
    return seen


def violations(driver: webdriver.Chrome) -> list[str]:
    """Return axe-core's violations of any severity; skip the test where it is not there."""
    if not AXE.is_file():
        pytest.skip("axe-core is not in .cache/axe: npm pack axe-core, as .ci/run does")
    driver.execute_script(AXE.read_text())
    found: dict[str, Any] = driver.execute_async_script("axe.run().then(arguments[0])")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary']}"
        for one in found["violations"]
    ]
