"""The stages of an adaptation: read, look, weigh, plan, train, choose, train again, finish."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from contrapose.adapt import folder as folders
from contrapose.adapt import wording
from contrapose.adapt.again import take_both
from contrapose.adapt.budget import READ_AGAIN, Planned, fastest_reading, from_json, plan_texts, to_json
from contrapose.adapt.choice import WEIGHED, Choice, choose, decide, mixtures
from contrapose.adapt.outcome import card_of, outcome_of
from contrapose.adapt.parting import read_parted
from contrapose.adapt.proof import LEAST_FOUND, LEAST_OVERLAP, Measured, Proof
from contrapose.adapt.queries import check_queries, read_queries
from contrapose.adapt.questions import SHAPE, questions_of
from contrapose.adapt.settings import AdaptSettings
from contrapose.adapt.signals import Signal, signals_for
from contrapose.adapt.teacher import may_teach
from contrapose.adapt.texts import SHORT, Texts
from contrapose.adapt.training import Trainings, rows_for
from contrapose.adapt.words import searched, weigh
from contrapose.encoder.encoder import Encoder
from contrapose.foreign import read_json_object
from contrapose.listening import Listener
from contrapose.maths.geometry import neighbour_overlap
from contrapose.selection.label_free import DIFFUSE
from contrapose.storage.durable import write_json
from contrapose.train.environment import pick_device, pick_precision


class Stages:
    """One adaptation on its way. Each stage fills what the next ones read."""

    def __init__(self, settings: AdaptSettings, folder: Path, listener: Listener, began: float) -> None:
        self.settings, self.folder, self.listener, self.began = settings, folder, listener, began
        self.training: list[Texts] = []
        self.held_out: list[Texts] = []
        self.planned: list[Planned] = []
        self.notices: list[str] = []
        self.reasons: dict[str, str] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the call."""
        return time.perf_counter() - self.began

    def tell(self, notice: str) -> None:
        """A notice for the person, kept for the record."""
        self.notices.append(notice)
        self.listener.notice(notice)

    def read(self) -> None:
        """The text by kind, parted into rows to train on and rows that prove."""
        read = read_parted(self.settings, self.folder, self.listener)
        self.kinds, self.malformed = read.kinds, read.malformed
        self.training, self.held_out = read.training, read.held_out
        for notice in read.notices:
            self.tell(notice)
        self.queries: list[str] = []
        if self.settings.queries is not None:
            queries = read_queries(self.settings.queries)
            why = check_queries(queries, [body for texts in self.training for body in texts.bodies])
            if why:
                self.tell(why)
            else:
                self.queries = queries

    def look(self) -> None:
        """The start, on the questions that the held-out text answers; and how fast this machine reads."""
        self.encoder = Encoder.load(self.settings.model, head="none").to(pick_device(self.settings.device))
        self.precision = "bf16" if pick_precision("auto", self.encoder.device) else "fp32"
        self.start = {name: weight.clone() for name, weight in self.encoder.state_dict().items()}
        self.in_topics = {texts.kind: self._in_topics(texts) for texts in self.held_out}
        questions = [
            question
            for texts in self.held_out
            for question in questions_of(texts, in_topics=self.in_topics[texts.kind])
        ]
        self.proof = Proof(questions, self.precision, self.listener)
        self.encoder.encode(
            self.proof.texts[:32], precision=self.precision
        )  # the first call pays for more than itself
        began = time.perf_counter()
        with self.listener.task("looking at the start"):
            self.before: Measured = self.proof.measure(self.encoder)
        self.seconds_per_look = time.perf_counter() - began
        for training, held_out in zip(self.training, self.held_out, strict=True):
            self.tell(wording.seen(training, held_out, in_topics=self.in_topics[training.kind]))
        words = sum(len(text.split()) for text in self.proof.texts)
        self.seconds_per_word = self.seconds_per_look / max(1, words)
        self._drop_what_proves_nothing()

    def _drop_what_proves_nothing(self) -> None:
        """The question of shape is none where the halves of a text are about different things."""
        found = self.before.halves_found
        if found is not None and found < LEAST_FOUND:
            self.tell(wording.proves_nothing(found))
            scores = {q.key: self.before.scores[q.key] for q in self.proof.questions if q.name != SHAPE}
            self.before = replace(self.before, scores=scores)
            self.proof = self.proof.without(SHAPE)

    def _in_topics(self, texts: Texts) -> bool:
        """Whether the neighbours of a text's neighbours are its neighbours: texts about a few matters."""
        if texts.kind != SHORT:
            return False
        with self.listener.task("looking for topics"):
            vectors_ND = self.encoder.encode(texts.bodies, precision=self.precision, progress=self.listener)
        return float(neighbour_overlap(torch.from_numpy(vectors_ND)).mean()) > DIFFUSE

    def weigh(self) -> None:
        """Weights of words, where the text is one that is searched."""
        self.words = decide(self.before, [])
        texts = searched(self.training)
        ranked = any(question.ranks for question in self.proof.questions)
        if texts and ranked and self.encoder.pooling == "avg" and self.encoder.word_weights is None:
            with self.listener.task("weighing words"):
                self.words = weigh(self.encoder, texts, self.before, self.proof)
            if self.words.taken is None:
                self.reasons[WEIGHED] = self.words.why
            elif not (self.folder / folders.START).is_dir():
                self.encoder.save(self.folder / folders.START)

    @property
    def learner(self) -> str:
        """The model that signals are trained from: the start, with its words weighed where that was taken."""
        return self.settings.model if self.words.taken is None else str(self.folder / folders.START)

    def plan(self) -> None:
        """Which signals are used, for how many steps; written once, so that what goes on does the same."""
        wanted = [
            (kind, signal)
            for kind, signal in signals_for(list(self.kinds), self.in_topics)
            if self._can_be_proven(kind) and (not signal.needs_teacher or self._may_teach(kind, signal))
        ]
        path = self.folder / folders.PLAN
        if not path.is_file():
            planned = self._plan(wanted)
            if any(
                not each.steps for each in planned
            ):  # the machine may have been busy when it was looked at
                read = partial(self.encoder.encode, precision=self.precision)
                slower = self.seconds_per_word / fastest_reading(read, self.proof.texts[:READ_AGAIN])
                self.seconds_per_word /= max(1.0, slower)
                self.seconds_per_look /= max(1.0, slower)
                planned = self._plan(wanted)
            write_json(path, to_json(planned))
            if any(each.steps for each in planned):
                self.tell(wording.plan_in_words(planned, self.seconds_per_look))
        self.planned = from_json(read_json_object(path), wanted)
        if self.queries and not any(each.signal.needs_teacher and each.steps for each in self.planned):
            self.tell(wording.QUERIES_UNUSED)
        for each in self.planned:
            if not each.steps:
                self.reasons[each.name] = f"does not fit into {self.settings.minutes:g} minutes"
        if left := [each.signal.name for each in self.planned if not each.steps]:
            self.tell(wording.not_tried(left))

    def _plan(self, wanted: Sequence[tuple[str, Signal]]) -> list[Planned]:
        left = self.settings.minutes * 60 - self.elapsed
        speed, look = self.seconds_per_word, self.seconds_per_look
        return plan_texts(wanted, self.training, seconds_per_word=speed, seconds=left, look=look)

    def _can_be_proven(self, kind: str) -> bool:
        """Whether the held-out text of a kind asks anything."""
        return any(question.of == kind for question in self.proof.questions)

    def _may_teach(self, kind: str, signal: Signal) -> bool:
        """Whether a search by words and meaning beats the start on held-out text of this kind."""
        ranking = [each for each in self.proof.questions if each.of == kind and each.ranks]
        now = self.before if self.words.taken is None else self.words.taken.measured
        if may_teach(ranking, now):
            return True
        self.reasons[f"{signal.name}-{kind.replace(' ', '-')}"] = (
            "a search by words and meaning finds no better than the encoder alone on this text"
        )
        return False

    def train(self) -> None:
        """A short run of every signal that is planned, on the rows that are not held out."""
        self.trainings = Trainings(
            folder=self.folder,
            settings=self.settings,
            model=self.learner,
            rows_of=self._rows_of,
            seconds_left=self._seconds_to_train,
            tell=self.tell,
            listener=self.listener,
        )
        self.trained = self.trainings.run(self.planned, self.encoder.device)
        self.reasons |= self.trainings.reasons

    def _rows_of(self, planned: Planned, whole: bool) -> Path:
        texts = next(texts for texts in self.training if texts.kind == planned.kind)
        if whole:
            texts = texts + next(texts for texts in self.held_out if texts.kind == planned.kind)
        return rows_for(planned, self.folder, texts, self.queries, self._encode, self.listener, whole=whole)

    def _seconds_to_train(self, looks: int) -> float:
        """What is left, less so many looks."""
        return self.settings.minutes * 60 - self.elapsed - looks * self.seconds_per_look

    def _encode(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(
            self.encoder.encode(texts, normalize=False, precision=self.precision, progress=self.listener)
        )

    def choose(self) -> None:
        """The share and the average that the questions find best, if it is proven."""
        looks = len(list(mixtures(tuple(self.trained))))
        with self.listener.task(f"choosing among {looks} models by the held-out text"):
            self.choice: Choice = choose(
                self.encoder, self.start, self.trained, self.before, self.proof, self.words
            )

    def train_again(self) -> None:
        """What was taken, once more on all of the text, while time is left."""
        self.again: list[str] = []
        taken = self.choice.taken
        if taken is None:
            return
        wanted = [each for each in self.planned if each.name in taken.signals]
        again = self.trainings.again(wanted, self.encoder.device)
        if not again:
            return
        kept = take_both(self.encoder, self.start, taken, self.trained, again, self.before, self.proof)
        if kept < LEAST_OVERLAP:
            self.tell(wording.not_trained_again(kept))
            return
        self.again = list(again)
        kinds = {each.kind for each in wanted if each.name in again}
        proven_by, proving = (
            sum(len(texts) for texts in side if texts.kind in kinds)
            for side in (self.training, self.held_out)
        )
        names = [each.signal.name for each in wanted if each.name in again]
        self.tell(wording.trained_again(names, proven_by, proven_by + proving))

    def finish(self) -> None:
        """The model, and what came of it."""
        outcome = outcome_of(self)
        self.encoder.eval().save(
            self.folder / folders.MODEL, card_of(self.encoder, outcome), provenance=outcome
        )
        folders.write_outcome(self.folder, self.settings, {"outcome": outcome})
