"""The hosted mesh: App Mesh's own API, without AWS and without a clock.

The model (`app_mesh.json`, compiled from botocore's) is data: it says which paths exist, what a request may hold
and what an answer shows. The code in this room is what the model does not say: who may, what has to exist, what
fits together, and what one request changes. Documents are plain dicts in App Mesh's own shapes.
"""
