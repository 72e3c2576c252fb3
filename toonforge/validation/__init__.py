"""What networks make of the pictures held out for validation and testing: a fixed grid, and metrics."""
