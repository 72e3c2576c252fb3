"""cartoongan for toonforge."""
