"""Federated training of a sentence encoder: contrapose trains on each client, Flower carries the weights."""
