"""Card fraud: the reference solution, from raw transactions to a governed live answer."""
