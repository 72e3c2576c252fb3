"""A small trained photo-to-cartoon model for toonforge."""
