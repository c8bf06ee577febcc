"""Who answers questions: real providers, a simulated one, and a small one on this machine."""
