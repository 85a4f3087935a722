"""Rules of metrics: the catalogue of figures, periods, what moved a figure, diagnosis."""
