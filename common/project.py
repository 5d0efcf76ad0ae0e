"""The project itself: what it is called, and where its checkout is."""

from pathlib import Path

PROJECT = "api-framework-benchmark"
"""The name that image tags, labels, AWS tags and temporary resources begin with."""

ROOT = Path(__file__).resolve().parent.parent
"""The folder of the checkout."""
