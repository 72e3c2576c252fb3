"""What `inspect` finds out about folders of pictures, and how it shows it."""
