"""Films: what they hold, their scenes, and the frames taken out of them."""
