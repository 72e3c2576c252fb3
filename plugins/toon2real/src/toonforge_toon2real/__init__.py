"""toon2real for toonforge."""
