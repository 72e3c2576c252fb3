"""CycleGAN and pix2pix as one writes them by hand: plain torch, no trick, nothing of this package."""
