"""What expressions may call besides networks."""

from toonforge.ops.augment import Augment
from toonforge.ops.blur import Blur
from toonforge.ops.cat import Cat
from toonforge.ops.crop import Crop
from toonforge.ops.gray import Gray
from toonforge.ops.noise import Noise
from toonforge.ops.pool import Pool

__all__ = ["Augment", "Blur", "Cat", "Crop", "Gray", "Noise", "Pool"]
