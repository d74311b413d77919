"""PromptBERT: ask a language model in two ways what a sentence means, and find one answer from the other.

    h   = state at [MASK] of  This sentence of "X" means [MASK].       less what the template says with X hidden
    h'  = state at [MASK] of  This sentence : "X" means [MASK].        less the same of this template
    loss_i = -log  exp(cos(g(h_i), g(h'_i)) / t) / sum_j exp(cos(g(h_i), g(h'_j)) / t)        g: the train-only head

The equation is SimCSE's. Templates, mask token and what is taken away are the part ``prompt-template``
(regularizers/prompt_template.py, encoder/templates.py); any method can use it.

Jiang et al. 2022, "PromptBERT: Improving BERT Sentence Embeddings with Prompts", EMNLP; https://arxiv.org/abs/2201.04337
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="promptbert",
    idea="SimCSE on what a masked language model writes for: This sentence means [MASK], asked in two ways.",
    paper="Jiang, Jiao, Huang, Zhang, Wang, Zhuang, Wei, Huang, Deng, Zhang 2022, PromptBERT: Improving BERT Sentence "
    "Embeddings with Prompts (EMNLP)",
    reference="https://arxiv.org/abs/2201.04337",
    objective=simcse,
    parts=("prompt-template",),
    head="linear-tanh",
    departures=(
        "the text is hidden by the attention mask, so that the words of the template keep their places on every "
        "architecture (the code leaves it out and shifts position numbers, for RoBERTa to other ones than its own)",
        "each template has its own length (the code takes the first one's opening for both, which are equally long)",
        "a template by itself is read once for each length in a group of like length (in the code: once for each of 50 "
        "lengths), so dropout's masks differ",
        "a mask token inside a text counts in the mean (the code fails)",
        "evaluation leaves texts as they are (the code adds a full stop where there is none)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
