"""Ctrl-C still reaches the program after graphs were opened, made and dropped, in whatever order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from contrapose.encoder.encoder import Encoder
from tests.backends.graphs import written_graph
from tests.tiny import SENTENCES, tiny_bert
from tests.waiting import PATIENCE

PROGRAM = """
import gc, os, signal
from pathlib import Path
from contrapose.backends.int8 import quantise_openvino
from contrapose.backends.runtimes import open_network
graph = Path({graph!r})
{work}
gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("told")
"""

WORK = {
    "the first one goes first": (
        "first = open_network('openvino', graph); second = open_network('openvino', graph);"
        "del first; gc.collect(); del second"
    ),
    "int8 is made beside an open one": (
        "first = open_network('openvino', graph);"
        "quantise_openvino(graph, graph.with_name('int8.xml'), {ids!r}, 0);"
        "second = open_network('openvino', graph.with_name('int8.xml'));"
        "del first; gc.collect(); del second"
    ),
    "one is open": "first = open_network('openvino', graph)",
}


@pytest.mark.parametrize("work", WORK)
def test_ctrl_c_is_told_after_openvino_computed(tmp_path: Path, work: str) -> None:
    pytest.importorskip("nncf")
    encoder = Encoder.load(tiny_bert(tmp_path / "model"))
    graph = written_graph(encoder, "openvino", tmp_path)
    ids = [encoder.tokenizer(text)["input_ids"] for text in SENTENCES]
    program = PROGRAM.format(graph=str(graph), work=WORK[work].format(ids=ids))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr
