"""The contract that every store adapter keeps, tried against real servers."""
