"""What is done with a finished table: smoothing, a person's neutral, activity, plots, blendshapes."""
