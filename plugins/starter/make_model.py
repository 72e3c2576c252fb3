"""Makes src/toonforge_starter/photo_to_cartoon.safetensors of a finished run, with what card.toml says, in 16 bits.

toonforge run starter/photo-to-cartoon --out runs/photo_to_cartoon
python plugins/starter/make_model.py runs/photo_to_cartoon
"""

from __future__ import annotations

import sys
from pathlib import Path

import tomli

from toonforge.use.export.api import export

HERE = Path(__file__).parent
MODEL = HERE / "src" / "toonforge_starter" / "photo_to_cartoon.safetensors"
ONE_LEVEL = 2 / 255
"""Of the values of a picture in [-1, 1]: what 16 bits may cost at the most."""


def main() -> None:
    """Write the model, and say how far it is from the run's own weights."""
    card = tomli.loads((HERE / "card.toml").read_text("utf-8"))
    written = export(sys.argv[1], MODEL, half=True, limit=ONE_LEVEL, card=card, force=True)
    print(f"{MODEL}: {written.size:,} bytes, at most {written.difference:.4f} from the run's")


if __name__ == "__main__":
    main()
