"""A name or a path -> images, and images -> batches."""
