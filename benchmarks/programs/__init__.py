"""The protocol by which benchmarks/step.py measures programs, and the two programs of this repository."""
