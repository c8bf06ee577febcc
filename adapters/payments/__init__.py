"""Payment providers, and the sandbox that stands in for them."""
