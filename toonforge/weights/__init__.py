"""What weights files say of themselves, which of them is meant, and the networks in them."""
