"""Images -> features and logits."""
