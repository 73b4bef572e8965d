"""What is done with finished rows: a table is smoothed, rid of a person's neutral face, summed up, converted or plotted."""
