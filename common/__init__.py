"""What every part of the package uses and that is about no part."""
