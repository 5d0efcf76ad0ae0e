"""Commits of a checkout are found by name, and each gets a folder of its own that leaves the checkout as it is."""

from pathlib import Path

import pytest

from common.errors import UsageError
from common.packages.checkouts import source_digest
from common.packages.commits import commit_of, commits_between, described, files_at, is_dirty
from tests.support.repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A checkout with two commits on main, and a branch that left it at the first."""
    made = Repository.create(tmp_path / "falcon")
    made.commit("First", {"pkg/version.txt": "1"})
    made.git("checkout", "--quiet", "-b", "topic/faster")
    made.commit("Be faster", {"pkg/version.txt": "1 and faster"})
    made.git("checkout", "--quiet", "main")
    made.commit("Second", {"pkg/version.txt": "2"})
    return made


@pytest.mark.parametrize(
    ("reference", "subject"),
    [
        ("main", "Second"),
        ("topic/faster", "Be faster"),
        ("HEAD~1", "First"),
        ("main...topic/faster", "First"),
        ("topic/faster...", "First"),
    ],
)
def test_a_reference_names_a_commit_or_the_merge_base_of_two(
    repository: Repository, reference: str, subject: str
) -> None:
    found = described(repository.folder, commit_of(repository.folder, reference))
    assert found is not None
    assert found.split(" ", 1)[1] == subject


@pytest.mark.parametrize("reference", ["nowhere", "", "--help", "main...nowhere", "$(touch x)"])
def test_what_is_no_commit_is_refused_with_what_is_accepted(repository: Repository, reference: str) -> None:
    with pytest.raises(UsageError, match=r"is no commit of .*: must be a branch, a tag, a commit, or main"):
        commit_of(repository.folder, reference)


def test_the_commits_between_two_are_those_of_the_first_parents(repository: Repository) -> None:
    first, second = repository.git("rev-parse", "main~1"), repository.git("rev-parse", "main")
    repository.git("merge", "--quiet", "--no-ff", "--strategy=ours", "--message=Merge", "topic/faster")
    merge = repository.git("rev-parse", "main")
    assert commits_between(repository.folder, first, merge) == [second, merge]
    assert commits_between(repository.folder, merge, first) == []
    assert commits_between(repository.folder, second, commit_of(repository.folder, "topic/faster")) == []


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"in which main could be found: git says fatal: not a git repository.* Name a clone"
    ):
        commit_of(tmp_path, "main")


def test_the_files_of_a_commit_lie_in_a_folder_of_their_own(repository: Repository, tmp_path: Path) -> None:
    """Uncommitted changes of the checkout are neither in it nor lost."""
    (repository.folder / "pkg" / "version.txt").write_text("uncommitted")
    topic = commit_of(repository.folder, "topic/faster")
    folder = files_at(repository.folder, topic, root=tmp_path / "commits")
    assert folder.name == "falcon"
    assert (folder / "pkg" / "version.txt").read_text() == "1 and faster"
    assert (repository.folder / "pkg" / "version.txt").read_text() == "uncommitted"
    assert repository.git("branch", "--show-current") == "main"
    assert files_at(repository.folder, topic, root=tmp_path / "commits") == folder
    assert [path.name for path in (tmp_path / "commits").iterdir()] == [topic]
    assert source_digest(folder) == source_digest(files_at(repository.folder, topic, root=tmp_path / "again"))


def test_the_files_of_a_commit_know_the_tags(repository: Repository, tmp_path: Path) -> None:
    """Some packages take their version from them."""
    repository.git("tag", "v2")
    folder = files_at(repository.folder, commit_of(repository.folder, "main"), root=tmp_path / "commits")
    assert Repository(folder).git("describe", "--tags") == "v2"


def test_a_shallow_checkout_has_the_commits_of_its_remotes_branches(repository: Repository, tmp_path: Path) -> None:
    """Pull requests are checked out so in CI."""
    shallow = Repository.create(tmp_path / "shallow" / "falcon")
    wanted = ("topic/faster", "main:refs/remotes/origin/main")
    shallow.git("fetch", "--quiet", "--depth=1", repository.folder.as_uri(), *wanted)
    shallow.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    folder = files_at(shallow.folder, commit_of(shallow.folder, "origin/main"), root=tmp_path / "commits")
    assert (folder / "pkg" / "version.txt").read_text() == "2"
    assert Repository(folder).git("log", "--format=%s") == "Second"


def test_a_folder_in_a_checkout_stays_that_folder(repository: Repository, tmp_path: Path) -> None:
    folder = files_at(repository.folder / "pkg", commit_of(repository.folder, "main"), root=tmp_path / "commits")
    assert (folder.name, (folder / "version.txt").read_text()) == ("pkg", "2")


def test_neither_hooks_nor_variables_of_git_have_a_say(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    hook = repository.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    files_at(repository.folder, commit_of(repository.folder, "main"), root=tmp_path / "commits")
    assert not (tmp_path / "ran").exists()


def test_two_branches_without_a_common_commit_have_no_merge_base(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--orphan", "apart")
    repository.commit("Apart", {"x": "1"})
    with pytest.raises(UsageError, match=r"main\.\.\.apart names nothing in .*no commit in common.*fetch --unshallow"):
        commit_of(repository.folder, "main...apart")


def test_a_commit_without_the_folder_is_refused(repository: Repository, tmp_path: Path) -> None:
    before = commit_of(repository.folder, "main")
    repository.commit("Add", {"new/x": "1"})
    with pytest.raises(UsageError, match="has no folder new/"):
        files_at(repository.folder / "new", before, root=tmp_path / "commits")


def test_changes_that_are_not_committed_are_noticed(repository: Repository, tmp_path: Path) -> None:
    assert not is_dirty(repository.folder)
    (repository.folder / "new.txt").touch()
    assert is_dirty(repository.folder)
    assert not is_dirty(repository.folder / "pkg")
    assert (described(tmp_path), is_dirty(tmp_path)) == (None, False)
