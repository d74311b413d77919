"""Flower's client: unpacks the server's message, lets contrapose train, packs the answer."""

from __future__ import annotations

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from contrapose_flower.local_training import lines_of, train_locally

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """One round of one client."""
    config = context.run_config
    client, clients = int(context.node_config["partition-id"]), int(context.node_config["num-partitions"])
    trained = train_locally(
        message.content["arrays"].to_torch_state_dict(),
        lines_of(str(config["text"]), client, clients),
        model=str(config["model"]),
        method=str(config["method"]),
        steps=int(config["local-steps"]),
        batch_size=int(config["batch-size"]),
        # Another one for each round: the same client sees other rows, and other dropout.
        seed=int(message.content["config"]["server-round"]),
    )
    answer = {
        "arrays": ArrayRecord(trained.weights),
        # "num-examples" is what the server weighs the client by.
        "metrics": MetricRecord({"num-examples": trained.rows, "loss": trained.loss}),
    }
    return Message(content=RecordDict(answer), reply_to=message)
