"""The real Envoy takes what a mesh is translated into."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.discovery.configuration import Instance, Options, cloud_map_queries, configuration
from tests.envoy_static import complaint, static_bootstrap
from tests.legal_meshes import meshes

MODES = [Options("transparent", "us-east-1"), Options("proxy", "cn-north-1")]
INSTANCES = st.lists(
    st.builds(
        Instance,
        st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "some.host"]),
        st.sampled_from([None, 80, 31000]),
        st.booleans(),
        st.just({"a": "a", "b1": "b1"}),
    ),
    max_size=3,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(meshes(), st.data())
def test_envoy_refuses_nothing_that_a_legal_mesh_is_translated_into(mesh, data):
    found = []
    for path in sorted(mesh.resources):
        if path.count("/") == 1 and path.startswith(("virtualNode/", "virtualGateway/")):
            for options in MODES:
                view = replace(mesh, name=f"m{len(found)}")
                instances = {query: data.draw(INSTANCES) for query in cloud_map_queries(view, path)}
                found.append(configuration(view, path, options, instances))
    assert complaint(static_bootstrap(*found)) is None
