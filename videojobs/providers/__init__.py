"""How each vendor talks: typed requests out, tolerant answers in, honest errors. Facts: each vendor's fact sheet."""
