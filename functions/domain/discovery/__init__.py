"""Discovery: a mesh in App Mesh's documents, translated for one Envoy into xDS v3 resources (plain JSON-able dicts).

The room promises: the same mesh gives the same bytes; a proxy is told what it may see and no more; what cannot be
translated is a `Fault` and leaves the rest as it is.
"""
