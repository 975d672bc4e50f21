"""A registrar's web application, as small as it can be."""
