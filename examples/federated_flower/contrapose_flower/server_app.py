"""Flower's server: begins with the pretrained model, averages what clients send, and writes the last average."""

from __future__ import annotations

from pathlib import Path

from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from contrapose_flower.local_training import save_model, weights_of

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """All rounds."""
    config = context.run_config
    if not config["text"]:
        raise SystemExit("no text: give one with --run-config 'text=\"/path/to/lines.txt\"'")
    model = str(config["model"])
    strategy = FedAvg(fraction_train=float(config["fraction-train"]), fraction_evaluate=0.0)
    result = strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(weights_of(model)),
        num_rounds=int(config["num-server-rounds"]),
    )
    for number, metrics in result.train_metrics_clientapp.items():
        print(f"round {number}: mean loss of the clients' last steps {metrics['loss']:.4f}")
    if config["save-to"]:
        save_model(model, result.arrays.to_torch_state_dict(), Path(str(config["save-to"])))
        print(f"model: {config['save-to']}")
