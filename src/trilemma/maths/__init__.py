"""Pure functions of tensors and floats; every formula of the project stands here."""
