"""How fast a recipe trains, where the time goes, and what each trick of `train.speed` gives: `toonforge bench`.

What is compared runs in processes of its own that take turns (`alternating`), each of which speaks the lines of
`worker`. Only those import torch.
"""

from toonforge.bench.alternating import Listener, measure
from toonforge.bench.asked import Asked
from toonforge.bench.measured import Measurement
from toonforge.bench.ratios import Ratio, Times
from toonforge.bench.variants import Variant

__all__ = ["Asked", "Listener", "Measurement", "Ratio", "Times", "Variant", "measure"]
