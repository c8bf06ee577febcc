"""How the database came to have its present form, one step a file."""
