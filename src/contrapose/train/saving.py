"""A session is saved, and put back: the weights, the optimizer and the loop's own state, in checkpoints of the run."""

from __future__ import annotations

from contrapose.errors import ResumeRefused
from contrapose.train import checkpoint as checkpoints
from contrapose.train.modules import trainable
from contrapose.train.optimizer import optimizer_tensors, restore_optimizer
from contrapose.train.progress import Progress
from contrapose.train.session import Session


def save_once(session: Session) -> None:
    """Write a checkpoint of this step, unless there is one already, or nothing that could be lost."""
    progress, processes = session.progress, session.processes
    saved = checkpoints.steps_saved(session.checkpoints)[-1:]
    # The first process alone decides: another that looks later would find what the first has just written.
    due = processes.is_first and progress.step not in (0, *saved)
    if processes.any(due, session.encoder.device):
        save(session)


def save(session: Session) -> None:
    """Write a checkpoint, then delete those that are no longer needed."""
    with session.timings.timed("saving", session.progress.step):
        if session.processes.is_first:
            session.metrics.sync()
            checkpoints.save(
                session.checkpoints,
                checkpoints.Checkpoint(
                    step=session.progress.step,
                    modules=session.modules.state_dict(),
                    optimizer=optimizer_tensors(session.optimizer, trainable(session.modules)),
                    state={key: value for key, value in session.progress.to_state().items() if key != "step"},
                ),
            )
            keep, best = session.settings.saving.keep, session.progress.best_step
            checkpoints.prune(session.checkpoints, keep=keep, best_step=best)
        session.processes.wait()


def restore_latest(session: Session) -> None:
    """Continue from the newest good checkpoint; from the beginning where there is none yet."""
    saved = checkpoints.load_newest(session.checkpoints, session.listener.notice)
    if saved is None:
        _forget_after(session, -1)
        session.listener.notice("no checkpoint yet: the run starts from its beginning")
        return
    restore(session, saved)
    session.progress = Progress.from_state(saved.step, saved.state)
    _forget_after(session, saved.step)


def restore(session: Session, saved: checkpoints.Checkpoint) -> None:
    """Put the modules and the optimizer of a checkpoint back."""
    device = session.encoder.device
    try:
        session.modules.load_state_dict(saved.modules)
        on_device = {name: tensor.to(device) for name, tensor in saved.optimizer.items()}
        restore_optimizer(session.optimizer, trainable(session.modules), on_device)
    except (RuntimeError, KeyError) as error:
        raise ResumeRefused(f"the checkpoint does not fit this model: {error}") from None


def _forget_after(session: Session, step: int) -> None:
    if session.processes.is_first:
        session.metrics.cut_after(step)
        session.timings.cut_after(step)
