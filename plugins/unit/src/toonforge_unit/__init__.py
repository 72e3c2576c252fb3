"""UNIT for toonforge: a shared latent space between two domains."""
