"""Picture files of every common kind, read into one form."""
