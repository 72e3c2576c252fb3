"""Ways to compute a step faster or in less memory, with the same mathematics: which there are, and when which."""
