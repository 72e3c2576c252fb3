"""The data set `webdataset`: pictures in tar files, read at any place through an index of their headers."""
