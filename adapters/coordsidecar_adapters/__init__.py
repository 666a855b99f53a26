"""The stores that coordsidecar brings along, a folder each. Only the chosen one is imported.

They run in the elector, which may hang, and never in the guard. What stands beside the folders is
shared by those that speak over a network: the HTTP connection, endpoints, TLS, and how a failure is
told.
"""
