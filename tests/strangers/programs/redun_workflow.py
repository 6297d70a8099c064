"""redun: tasks that become children of an array job, and one that fails."""

from redun import catch, task

redun_namespace = "strangers"


@task(executor="batch", memory=0.125)
def double(number: int) -> int:
    """Return twice the number; the highest one is refused."""
    if number > 2:
        raise ValueError(number)
    return 2 * number


@task()
def refused(error: ValueError) -> str:
    """Return what stands for a failed task."""
    return "three is refused"


@task()
def main() -> list[int | str]:
    """Double some numbers."""
    return [catch(double(number), ValueError, refused) for number in range(4)]
