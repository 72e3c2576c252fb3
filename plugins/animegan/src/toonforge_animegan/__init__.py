"""AnimeGANv2 for toonforge: photographs in the style of an anime film."""
