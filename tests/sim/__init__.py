"""A simulator: both real cores on modelled hosts, networks and stores, all from one seed."""
