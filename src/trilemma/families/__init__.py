"""Recipe -> Family: what is trained, with which losses, as plain values."""
