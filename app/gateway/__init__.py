"""The door for OpenAI's clients: change the base URL, and calls are paid from credits."""
