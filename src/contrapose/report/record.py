"""What a report says, as plain data: gathered once, then written as HTML, Markdown or JSON with the same facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contrapose.evaluate.results import json_ready
from contrapose.report.adaptations import AdaptationFolder
from contrapose.selection.reported import PairedDifference, ReportedVerdict


@dataclass(frozen=True, kw_only=True)
class LedgerScore:
    """One number of the ledger with its 95% interval, and the id of the entry that it stands in."""

    value: float | None
    low: float | None
    high: float | None
    rows: int
    entry: str


@dataclass(frozen=True, kw_only=True)
class BeforeAfter:
    """One row of the before/after table of a run."""

    task: str
    metric: str
    protocol: str
    split: str
    before: LedgerScore | None
    after: LedgerScore | None
    difference: PairedDifference | None = None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A number of every step that has it; steps whose number is not finite are left out and counted."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    not_finite: int = 0


@dataclass(frozen=True, kw_only=True)
class PathPoint:
    """Where the run stood on the plane of alignment and uniformity after ``step`` steps; lower is better for both."""

    step: int
    alignment: float
    uniformity: float


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Shares per bin between ``edges`` of one kind of pair, and the median cosine."""

    kind: str
    shares: tuple[float, ...]
    median: float
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Two-dimensional points (N, 2) of the sentences by one projection, before and after; before may be missing."""

    method: str
    before: tuple[tuple[float, float], ...] | None
    after: tuple[tuple[float, float], ...]
    about: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sentences that lay together before training; ``words`` are the ones they use more than the others do."""

    words: tuple[str, ...]
    size: int


@dataclass(frozen=True, kw_only=True)
class NeighbourChange:
    """Numbers of texts: the nearest neighbours of ``text`` that it gained, lost and kept."""

    text: int
    gained: tuple[int, ...]
    lost: tuple[int, ...]
    kept: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Two different rows that are very near each other after training.

    nearer_than: share of the true pairs that are less near than these two; None without true pairs.
    """

    first: int
    second: int
    before: float | None
    after: float
    shared: tuple[str, ...]
    nearer_than: float | None


@dataclass(frozen=True, kw_only=True)
class OwnText:
    """What is seen on a sample of the run's own text. Texts are named by their number in ``texts``."""

    source: str
    rows_of: int
    positives: str
    texts: tuple[str, ...]
    edges: tuple[float, ...]
    before: tuple[Histogram, ...]
    after: tuple[Histogram, ...]
    planes: tuple[Plane, ...]
    groups: tuple[Group, ...]
    group_of: tuple[int, ...]
    neighbours: int
    kept_share: float | None
    changes: tuple[NeighbourChange, ...]
    suspects: tuple[Suspect, ...]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """One run: what was asked for, what it did, what the ledger and its own folder say about it.

    blend: the share of the trained weights in the model, None where the run is too old to say; blend_scores: (share,
    score) of all shares that were tried.
    """

    name: str
    folder: str
    method: str
    start_model: str
    corpus: tuple[str, ...]
    views: str
    rows: int | None
    steps: int | None
    chosen_step: int | None
    seed: int
    batch_size: int
    processes: int | None
    learning_rate: float
    criterion: str | None
    score_before: float | None
    score_chosen: float | None
    blend: float | None
    seconds: float | None
    fingerprint: str
    start_fingerprint: str
    blend_scores: tuple[tuple[float, float], ...]
    verdict: ReportedVerdict
    scores: tuple[BeforeAfter, ...]
    curves: tuple[Curve, ...]
    path: tuple[PathPoint, ...]
    own: OwnText | None
    notes: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def pretrained_kept(self) -> bool:
        """Whether the model is the pretrained one, unchanged."""
        return self.fingerprint == self.start_fingerprint


@dataclass(frozen=True, kw_only=True)
class Cell:
    """All trials with the same factors but for the seed: mean and sample standard deviation over them.

    diverged: trials of the setting without a number; it is then in no picture, as a sweep chooses none such.
    """

    factors: Mapping[str, Any]
    mean: float
    deviation: float | None
    seeds: int
    diverged: int = 0


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """One task over all trials of a folder."""

    task: str
    metric: str
    protocol: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class TrialsFolder:
    """A folder of a sweep or a comparison. ``varied``: the factors that take more than one value, numbers first.

    said: its result in the words of the folder itself; region: the settings that it calls no worse than the highest,
    empty where it does not know; None where it says nothing that fits the trials.
    """

    name: str
    folder: str
    trials: int
    varied: tuple[str, ...]
    numeric: tuple[str, ...]
    tasks: tuple[TrialTask, ...]
    notes: tuple[str, ...]
    said: tuple[str, ...] = ()
    region: tuple[Mapping[str, Any], ...] | None = None

    def in_region(self, cell: Cell) -> bool:
        """Whether the folder's own result calls this setting no worse than the highest."""
        return any(
            all(cell.factors.get(name) == value for name, value in values.items() if name in self.varied)
            for values in self.region or ()
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a report says. ``made``: when, in UTC; ``comparisons``: what p-values are corrected for."""

    made: str
    version: str
    ledger: str | None
    comparisons: int
    runs: tuple[RunFacts, ...]
    trials: tuple[TrialsFolder, ...]
    adaptations: tuple[AdaptationFolder, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``json.dumps(..., allow_nan=False)``."""
        plain: dict[str, Any] = json_ready(asdict(self))
        return plain
