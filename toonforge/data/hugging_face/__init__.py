"""The data set `hugging-face`: local folders, Parquet files and sets of the hub."""
