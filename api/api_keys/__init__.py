"""Keys by which programs call the API."""
