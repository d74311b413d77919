"""What a run writes down before its first step, and where it is given more steps than it had."""

from __future__ import annotations

from collections.abc import Mapping

from contrapose.config import to_toml
from contrapose.errors import ResumeRefused
from contrapose.storage.durable import write_json, write_text
from contrapose.train.environment import describe_environment
from contrapose.train.optimizer import learning_rate
from contrapose.train.resume import check_begun_with, steps_before, write_longer, write_record
from contrapose.train.session import Session


def write_down(session: Session, beside: Mapping[str, str], *, goes_on: bool) -> None:
    """config.toml, env.json and the record that a continuation is compared with."""
    folder, settings = session.folder, session.settings
    environment = describe_environment(session.encoder.device, session.processes.size)
    if goes_on:
        notice = session.listener.notice
        check_begun_with(folder, settings, session.corpus, session.encoder, beside, environment, notice)
        return
    write_text(folder / "config.toml", to_toml(settings))
    write_json(folder / "env.json", environment)
    rows, steps = session.facts["rows"], session.num_steps
    method_file = session.recipe.file_sha256
    write_record(
        folder,
        settings,
        session.corpus,
        session.encoder,
        rows=rows,
        steps=steps,
        precision=session.precision,
        precision_why=session.facts["precision"],
        chunks={"size": session.plan.chunk_size, "why": session.facts["chunks"]},
        looked_at=session.looks.rows,
        processes=session.processes.size,
        method_file=method_file,
        beside=beside,
    )


def lengthen(session: Session) -> None:
    """Where the run is given more steps than it had: say what that means, and write it down."""
    before, now, done = steps_before(session.folder), session.num_steps, session.progress.step
    if before is None or now <= before:
        return
    if session.progress.stopped_early:
        raise ResumeRefused(
            f"the run stopped early after step {done}, because its score rose no more, so more steps change nothing. "
            f"To train on from it, start a new run with --model {session.folder / 'model'} and another --out"
        )
    training = session.settings.training
    rate = learning_rate(session.protocol.rate_step(done), now, training)
    session.listener.notice(
        f"the run goes on after step {done} to step {now}; it was to have {before}. The learning rate is from here on "
        f"that of a run of {now} steps: {rate:.3g} at the next step. The steps before "
        f"had the rates of a run of {before}, so this is not the run that --steps {now} from the start would have been"
    )
    # The configuration first: a kill in between leaves a longer one, which lengthens the run again.
    write_text(session.folder / "config.toml", to_toml(session.settings))
    write_longer(session.folder, session.settings, after=done, steps=now)
