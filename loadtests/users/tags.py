"""What ``--tags`` and ``--exclude-tags`` leave of the classes chosen."""

from locust.env import Environment


class TagError(ValueError):
    """The tags leave nothing to do; the text says which there are."""


def keep_tagged(environment: Environment) -> None:
    """Leave out the tasks that the tags leave out, as Locust does at a test's start, and classes that have none then.

    ``TagError`` where no class is left: Locust would start users that cannot do anything, and go on.
    """
    classes = environment.user_classes
    known = sorted({tag for one in classes for task in one.tasks for tag in getattr(task, "locust_tag_set", ())})
    environment._filter_tasks_by_tags()  # noqa: SLF001 -- there is no other way to have it done before a test starts
    environment.user_classes = [one for one in classes if one.tasks]
    if classes and not environment.user_classes:
        names = ", ".join(one.__name__ for one in classes)
        raise TagError(f"--tags and --exclude-tags leave nothing of {names}. Known: {', '.join(known)}.")
