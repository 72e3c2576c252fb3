"""Picture files through a model: which, where their translations go, what each keeps, and the work on them."""
