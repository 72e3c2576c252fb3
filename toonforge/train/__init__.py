"""Training: how a recipe's phases become steps, checkpoints and a run folder."""
