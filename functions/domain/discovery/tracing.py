"""Tracing: segments for X-Ray, which Envoy hands to whoever takes them beside it, a collector or the X-Ray daemon.

They are what aws-appmesh-envoy's are: named `MESH/NODE`, of the origin that X-Ray shows as App Mesh's proxy, sampled by
X-Ray's own rule (the first request of a second, then one in twenty). A caller's decision (`x-amzn-trace-id`) is kept.

Sources: amazon-ecs-service-connect-agent, `appendXRayTracing`; Envoy's API reference, XRayConfig.
"""

from typing import Any

from domain.discovery.terms import Options
from domain.discovery.view import MeshView

DAEMON_PORT = 2000
"""Where X-Ray's daemon, and the collector in its place, takes segments by UDP."""


def traced(view: MeshView, path: str, options: Options) -> dict[str, Any]:
    """Write what an HTTP connection manager of a proxy needs to make segments; nothing where none are wanted."""
    if not options.tracing:
        return {}
    name = path.partition("/")[2]
    segments = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.XRayConfig",
        "daemon_endpoint": {"protocol": "UDP", "address": "127.0.0.1", "port_value": DAEMON_PORT},
        "segment_name": f"{view.name}/{name}",
        "segment_fields": {
            "origin": "AWS::AppMesh::Proxy",
            # X-Ray has no word for gateways: the agent of App Mesh calls them nodes, too.
            "aws": {"app_mesh": {"mesh_name": view.name, "virtual_node_name": name}},
        },
    }
    return {"tracing": {"provider": {"name": "envoy.tracers.xray", "typed_config": segments}}}
