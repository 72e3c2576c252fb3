"""pix2pix for toonforge."""
