"""What the demo promises about its time, and what is said where a machine cannot keep it."""

from __future__ import annotations

import shlex

from contrapose.experiment.clock import Clock
from contrapose.experiment.demo_result import DemoSettings

#: Seconds that the demo takes at most with its own settings, on two cores that do little else.
PROMISED = 480.0
#: An estimate may be this much above the promise before it is called broken.
TOLERANCE = 1.25
#: What is offered is a multiple of this many steps, and at least as many.
STEPS = 5
#: The demo's own settings.
USUAL = DemoSettings.model_validate({})


def broken_promise(clock: Clock, settings: DemoSettings) -> str:
    """What to say where the demo will take longer than promised, or "": how long, and how many steps fit.

    Whoever asked for more steps than the demo's own was promised nothing.
    """
    remaining = clock.remaining() if clock.is_sure else None
    if remaining is None or settings.steps > USUAL.steps:
        return ""
    seconds = clock.elapsed + remaining
    if seconds <= TOLERANCE * PROMISED:
        return ""
    said = (
        f"This machine, as busy as it is now, is slower than the demo was made for: it will take about "
        f"{_minutes(seconds)} and not {_minutes(PROMISED)}."
    )
    steps = steps_that_fit(clock, PROMISED)
    anew = clock.seconds_of(steps)
    if anew is None or anew >= remaining or steps >= settings.steps:
        return said
    return (
        f"{said} With {steps} steps in place of {settings.steps}, which show less, it takes about {_minutes(anew)}: "
        f"Ctrl-C, then {command(settings, steps)}"
    )


def steps_that_fit(clock: Clock, seconds: float) -> int:
    """Steps of each training with which a demo takes at most ``seconds``; never fewer than the least."""
    none, one = clock.seconds_of(0), clock.seconds_of(1)
    if none is None or one is None or one <= none:
        return STEPS
    fitting = int((seconds - none) / (one - none))
    return max(STEPS, fitting - fitting % STEPS)


def command(settings: DemoSettings, steps: int) -> str:
    """The same demo with other steps, as it is typed.

    >>> command(DemoSettings(out="my demo", seed=3), 20)
    "contrapose demo --out 'my demo' --seed 3 --steps 20"
    """
    words = ["contrapose", "demo"]
    for name in ("out", "model", "method", "batch_size", "seed"):
        if (value := getattr(settings, name)) != getattr(USUAL, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    if settings.sources != USUAL.sources:
        words += [word for source in settings.sources for word in ("--source", source)]
    return shlex.join([*words, "--steps", str(steps)])


def _minutes(seconds: float) -> str:
    """
    >>> _minutes(480.0), _minutes(70.0)
    ('8 minutes', '1 minute')
    """
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' * (minutes > 1)}"
