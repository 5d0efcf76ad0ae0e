"""A git repository made by a test."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Toy"), ("EMAIL", "toy@example.com"), ("DATE", "2026-01-02T12:00:00Z"))
}


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository with a checkout, which nobody's configuration of git changes."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Repository":
        """Create an empty one, on a branch ``main``."""
        folder.mkdir(parents=True)
        made = cls(folder)
        made.git("init", "--quiet", "--initial-branch=main")
        return made

    def git(self, *arguments: str) -> str:
        """Run git in it, and return what it prints."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env = kept | AUTHOR | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        line = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(line, env=env, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, message: str, files: Mapping[str, str]) -> str:
        """Write files and commit them; return the commit."""
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")
