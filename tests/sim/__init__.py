"""A simulator: both real cores on modelled hosts, processes, networks and stores, under one seed."""
