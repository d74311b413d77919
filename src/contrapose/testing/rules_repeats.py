"""A sentence is no negative of itself: columns that repeat a row's text count for nothing, wherever they come from."""

from __future__ import annotations

from dataclasses import replace

import torch

from contrapose.contract import Views
from contrapose.testing.cases import ROWS, Case, with_gradient
from contrapose.testing.rules import Rule, contrasts_other_texts, must

#: Row 3 says what row 0 says; rows 1 and 4 say what the queue of ``Case.build`` already holds.
TEXTS = torch.tensor([7, 1001, 2, 7, 1012, 5])


def repeated(case: Case) -> Views:
    """Rows 0 and 3 are one text, so their vectors are nearly the same."""
    views = case.batch(dtype=torch.float64)
    noise = 0.01 * torch.randn(2, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    twins = {}
    for name, shift in zip(("anchor", "positive"), noise, strict=True):
        twins[name] = views.by_name[name].clone()
        twins[name][3] = twins[name][0] + shift
    return replace(views.with_views(**twins), text_ids={"anchor": TEXTS, "positive": TEXTS})


def mixes_no_positive(case: Case) -> bool:
    """A mixed positive of another row may hold what the row repeats."""
    return "mixed-positive" not in case.all_parts


def repeated_text_has_no_share_and_exactly_no_gradient(case: Case) -> None:
    """Columns that repeat the row's text are struck out of table, logits and gradient. in_batch_table and to_logits do
    it."""
    outcome = case.build()(with_gradient(repeated(case)), with_stats=False).outcome
    table = outcome.table
    in_batch = table.valid_BC[:, table.origins["batch"]]
    struck = {tuple(pair) for pair in (~in_batch).nonzero().tolist()}
    expected = {(0, 3), (3, 0)}
    as_expected = struck >= expected if case.follows_a_teacher else struck == expected
    must(as_expected, f"struck out of the batch: {sorted(struck)}")
    if "queue" in table.origins:
        queued = (~table.valid_BC[:, table.origins["queue"]]).sum(1).tolist()
        must(queued == [0, 1, 0, 0, 1, 0], f"struck out of the queue: {queued}")
    (gradient_BC,) = torch.autograd.grad(outcome.loss_B.sum(), table.cosine_BC)
    must((gradient_BC[~table.valid_BC] == 0).all(), "a column that is struck out has a gradient")
    must((gradient_BC[table.valid_BC] != 0).any(), "no column has a gradient")
    must((outcome.logits_BC.softmax(1)[~table.valid_BC] == 0).all(), "its logit has a share: use to_logits")


def repeated_row_gets_no_gradient_from_the_row_it_repeats(case: Case) -> None:
    """Two rows of one text do not push each other away."""
    views = with_gradient(repeated(case))
    loss_B = case.build()(views).outcome.loss_B
    (from_first_BD,) = torch.autograd.grad(loss_B[0], views.positive, retain_graph=True)
    must((from_first_BD[3] == 0).all(), "row 0 moves row 3, which says the same")
    (from_all_BD,) = torch.autograd.grad(loss_B.sum(), views.positive)
    must((from_all_BD != 0).any(), "no row moves any")


def repeated_text_is_nobodys_hardest_negative(case: Case) -> None:
    """With only repeats there is no negative at all: the loss is 0, and so is every mixture."""
    same = torch.full((ROWS,), 7)
    views = with_gradient(replace(case.batch(), text_ids={"anchor": same, "positive": same}))
    loss = case.build(memory=False)(views)
    contrast = loss.terms["contrast"].item()
    must(contrast == 0.0, f"a batch of one text has the loss {contrast}")
    must(not loss.outcome.table.negative_BC.any(), "a repeat is left as a negative")
    must(loss.stats["struck_out"] > 0, "nothing is said to be struck out")


def texts_that_all_differ_change_nothing(case: Case) -> None:
    """Knowing the texts changes nothing where none repeats, to the bit."""
    plain = case.batch()
    differing = replace(plain, text_ids={name: torch.arange(1, ROWS + 1) for name in ("anchor", "positive")})
    objective = case.build()
    must(
        torch.equal(objective(plain).outcome.loss_B, objective(differing).outcome.loss_B), "the loss changed"
    )


def repeats_change_the_loss_of_their_rows(case: Case) -> None:
    """Striking out a twin matters: without it, the row's hardest negative is itself."""
    objective = case.build()
    views = repeated(case)
    change_B = objective(views).outcome.loss_B - objective(replace(views, text_ids={})).outcome.loss_B
    must((change_B[[0, 3]].abs() > 0).all(), "the loss of two rows of one text is as if they were strangers")


RULES = (
    Rule(repeated_text_has_no_share_and_exactly_no_gradient),
    Rule(repeated_row_gets_no_gradient_from_the_row_it_repeats, mixes_no_positive, of_one_part=True),
    Rule(repeated_text_is_nobodys_hardest_negative, contrasts_other_texts),
    Rule(texts_that_all_differ_change_nothing, of_one_part=True),
    Rule(repeats_change_the_loss_of_their_rows, contrasts_other_texts, of_one_part=True),
)
