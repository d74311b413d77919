"""Does the probe for bf16 say what training then finds? Its verdict beside the speed of real steps in both formats.

python -m benchmarks.precision [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from typing import Any

from benchmarks.gradient_caching import batch_of_sentences, seconds_of, step_of
from contrapose.encoder.by_length import groups_on
from contrapose.encoder.encoder import Encoder
from contrapose.train.attention import attention_in_training
from contrapose.train.precision import _shape_of, _timed_layer, compare, faster_precision, in_words
from contrapose.train.step import StepPlan, tokenize


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """predicted: how many times as fast bf16 is in the probe; measured: in steps of 64 rows."""
    encoder = Encoder.load("minilm", head="linear-tanh")
    encoder.train()
    encoder.use_attention(attention_in_training(encoder, bf16=False))
    probe = compare(_timed_layer(_shape_of(encoder), True))
    rows, rounds = (8, 1) if quick else (64, 7)
    plain = StepPlan(seed=0, max_length=32, num_groups=groups_on(encoder.device))
    batch = tokenize(encoder, batch_of_sentences(rows), plain)
    steps = [step_of(encoder, batch, replace(plain, bf16=bf16)) for bf16 in (False, True)]
    for step in steps:
        step()
    ratios = [seconds_of(steps[0]) / seconds_of(steps[1]) for _ in range(rounds)]
    measured = statistics.median(ratios)
    agrees = in_words(probe).bf16 == (measured > 1)
    return [
        {
            "name": "bf16 in training",
            "predicted": round(probe.gain, 3),
            "measured": round(measured, 3),
            "floor": None,
            "times_floor": None,
            "rival": "fp32",
            "note": f"the probe took {probe.seconds:.2f} s on {probe.tokens} tokens; it chose "
            f"{faster_precision(encoder, training=True).precision}, {'right' if agrees else 'wrong'} here; "
            f"{rounds} rounds, {min(ratios):.2f} to {max(ratios):.2f}",
        }
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    print(json.dumps(measure(quick=parser.parse_args().quick), indent=1))
