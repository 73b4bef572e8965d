"""Training of the two small networks that find and frame faces, on rendered heads alone."""
