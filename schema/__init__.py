"""The API as callers see it: types, fields, descriptions and permissions."""
