"""Call back once per update of a torch optimizer."""

from collections.abc import Callable
from typing import Any


class StepHooks:
    """Hooks on several optimizers, removed together."""

    def __init__(self) -> None:
        """Start without any."""
        self._handles: list[Any] = []
        self._hooked: list[Any] = []
        self._running: dict[int, int] = {}  # nested calls of `step`, by optimizer

    def attach(self, optimizer: Any, done: Callable[[], None]) -> None:
        """Call `done` after each update of this optimizer, if torch lets its `step` fire hooks."""
        if not hasattr(type(optimizer).step, "hooked"):
            return
        key, running = id(optimizer), self._running

        def before(*_: Any) -> None:
            running[key] = running.get(key, 0) + 1

        def after(*_: Any) -> None:
            running[key] -= 1
            if not running[key]:  # a step that calls its base class's step fires the hooks twice
                done()

        self._hooked.append(optimizer)
        self._handles.append(optimizer.register_step_pre_hook(before))
        self._handles.append(optimizer.register_step_post_hook(after))

    def covers(self, optimizer: Any) -> bool:
        """Return whether hooks are attached to this optimizer."""
        return any(optimizer is hooked for hooked in self._hooked)

    def reset(self) -> None:
        """Clear the nesting counts where no step runs: one that raised has never finished."""
        self._running.clear()

    def remove(self) -> None:
        """Leave no hook on any optimizer."""
        self._hooked.clear()
        while self._handles:
            self._handles.pop().remove()
