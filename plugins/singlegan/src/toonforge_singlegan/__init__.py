"""SingleGAN for toonforge: one generator for several domains, a discriminator for each."""
