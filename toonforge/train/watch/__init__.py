"""The divergence watch: what looks wrong in a training, said once when it begins and once when it is over.

It looks at what a run has anyway, logged losses, drawn pictures and measured metrics, and never stops a run. Losses
that are not finite do: see `toonforge.train.failures`.
"""

from toonforge.train.watch.finding import Over
from toonforge.train.watch.watch import Watch

__all__ = ["Over", "Watch"]
