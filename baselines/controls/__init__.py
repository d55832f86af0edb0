"""Controls: what explains nothing and every table is read against."""
