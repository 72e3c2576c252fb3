"""mha-unet for toonforge."""
