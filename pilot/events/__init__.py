"""Events of runs: their model, the bus that carries them, the publisher that feeds it."""
