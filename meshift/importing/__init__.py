"""Bring a mesh into an App Mesh API: from CloudFormation templates, from descriptions, or from another endpoint.

Every source is read into the same `Resource`s, which are compared with what the target describes; the difference is a
plan; applying the plan twice changes nothing the second time. What a resource may look like is decided by the hosted
mesh's own rules (`functions/domain/hosted`), so that most of what the API would refuse is refused in the plan.
"""
