"""The project's name and the location of its checkout."""

from pathlib import Path

PROJECT = "api-framework-benchmark"
"""The prefix of image tags, labels, AWS tags and temporary resources."""

ROOT = Path(__file__).resolve().parent.parent
"""The root folder of the checkout."""
