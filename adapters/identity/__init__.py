"""Other parties that say who somebody is."""
