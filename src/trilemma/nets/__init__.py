"""Networks, one file each; sizes are arguments."""
