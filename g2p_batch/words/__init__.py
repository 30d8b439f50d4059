"""What comes in: word lists as Arrow batches of rows, and why a row is no word."""
