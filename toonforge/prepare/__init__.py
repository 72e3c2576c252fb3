"""From films and folders of pictures to a data set: what `toonforge data` does, as a library."""
