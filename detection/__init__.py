"""Finding faces, and cropping them as a checkpoint saw faces in training."""
