"""What a training is: frozen dataclasses without torch, and the files they come from."""
