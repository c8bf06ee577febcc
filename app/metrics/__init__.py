"""What there is to be counted of this deployment, for Prometheus to scrape."""
