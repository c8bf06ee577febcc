"""GraphQL as it is served: what stands between a socket and the schema."""
